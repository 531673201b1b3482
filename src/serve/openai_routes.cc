// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "serve/files.h"
#include "serve/json_request.h"
#include "serve/openai_chat.h"
#include "serve/openai_completions.h"
#include "serve/openai_wire.h"
#include "serve/service.h"

namespace gemma::serve {
namespace {

void chat_completions(Call& call) {
  const auto given = read_json_request(call, openai_error);
  if (!given) return;
  auto request = read_chat_request(given->body, given->model->facts, files_of(call));
  if (!request) return call.responder->respond(openai_error(request.failure()));
  auto reply = chat_reply(call.responder, request.value(), given->name, *given->model);
  call.service.generate(call, given->model, std::move(request.value().ask), std::move(reply));
}

void completions(Call& call) {
  const auto given = read_json_request(call, openai_error);
  if (!given) return;
  auto request = read_completion_request(given->body, given->model->facts);
  if (!request) return call.responder->respond(openai_error(request.failure()));
  auto reply = completion_reply(call.responder, request.value(), given->name, *given->model);
  call.service.generate(call, given->model, std::move(request.value().ask), std::move(reply));
}

/** Beside OpenAI's fields: how much it reads at once, what beside text, and whether it is loaded. */
json::object model_object(const ModelState& model) {
  json::array modalities{"text"};
  if (model.card.encoders.sees()) modalities.insert(modalities.end(), {"image", "video"});
  if (model.card.encoders.hears()) modalities.emplace_back("audio");
  return {{"id", model.card.name},
          {"object", "model"},
          {"created", model.card.created},
          {"owned_by", "gemma4"},
          {"max_model_len", model.card.context},
          {"modalities", std::move(modalities)},
          {"loaded", model.loaded}};
}

void list_models(Call& call) {
  json::array data;
  for (const auto& model : call.service.models(true)) data.push_back(model_object(model));
  HttpResponse response;
  response.body = write_json(json::object{{"object", "list"}, {"data", std::move(data)}});
  call.responder->respond(std::move(response));
}

void one_model(Call& call) {
  const std::string name = percent_decoded(call.rest);
  const auto known = call.service.known(name);
  const auto model = known ? call.service.state_of(*known) : std::nullopt;
  if (!model || !model->card.fault.empty()) {
    return call.responder->respond(openai_error({404, {"", fmt::format("there is no model '{}' here", name)}}));
  }
  HttpResponse response;
  response.body = write_json(model_object(*model));
  call.responder->respond(std::move(response));
}

void embeddings(Call& call) {
  call.responder->respond(openai_error({400, {"", "this model makes text, no embeddings"}}));
}

}  // namespace

std::vector<Route> openai_routes() {
  return {{"POST", "/v1/chat/completions", chat_completions, openai_error},
          {"POST", "/v1/completions", completions, openai_error},
          {"GET", "/v1/models", list_models, openai_error, Scope::models},
          {"GET", "/v1/models/", one_model, openai_error, Scope::models},
          {"POST", "/v1/embeddings", embeddings, openai_error}};
}

}  // namespace gemma::serve
