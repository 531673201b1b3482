// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "serve/openai_wire.h"
#include "serve/service.h"
#include "serve/transcription.h"

namespace gemma::serve {
namespace {

void answer(Call& call, SpeechWay way) {
  const auto refuse = [&](const Refusal& refusal) { call.responder->respond(openai_error(refusal)); };
  auto form = read_transcription_form(call.request);
  if (!form) return refuse(form.failure());
  const json::value* name = form.value().fields.if_contains("model");
  const std::string_view wanted = name != nullptr && name->is_string() ? std::string_view(name->get_string()) : "";
  const auto known = call.service.known(wanted);
  if (!known) return refuse({404, {"model", fmt::format("there is no model '{}' here", wanted)}});
  const auto model = call.service.take(call, *known);
  if (!model) return;  // it is loaded first
  call.request.body = {};
  if (!model->media.takes(Medium::audio)) {
    return refuse(Failure{"model", fmt::format("the model '{}' has no encoder of sound", model->name)});
  }
  const auto* forced = call.service.forced(wanted);
  auto request = read_transcription_request(std::move(form).value(), model->facts, way);
  if (!request) return refuse(request.failure());
  call.service.own(call, request.value().answer);
  if (forced != nullptr) request.value().forced = *forced;
  request.value().answer.deadline = call.service.deadline(call);
  auto transcribing = std::make_shared<Transcribing>(model, std::move(request).value(), call.responder,
                                                     call.service.intake(), call.service.metrics());
  call.responder->when_gone([transcribing] { transcribing->cancel(); });
  transcribing->begin();
}

void transcribe(Call& call) { answer(call, SpeechWay::transcribe); }
void translate(Call& call) { answer(call, SpeechWay::translate); }

}  // namespace

std::vector<Route> transcription_routes() {
  return {{"POST", "/v1/audio/transcriptions", transcribe, openai_error},
          {"POST", "/v1/audio/translations", translate, openai_error}};
}

}  // namespace gemma::serve
