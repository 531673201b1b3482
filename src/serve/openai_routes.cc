// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "chat/template_value.h"
#include "serve/fields.h"
#include "serve/openai_chat.h"
#include "serve/openai_completions.h"
#include "serve/openai_wire.h"
#include "serve/service.h"

namespace gemma::serve {
namespace {

constexpr int kDepth = 128;

/** The body as an object; what is wrong with it has been said where there is none. */
std::optional<json::object> body_of(Call& call) {
  auto parsed = parse_json(call.request.body, kDepth);
  if (!parsed) {
    call.responder->respond(openai_error(Failure{"", fmt::format("the body is no JSON: {}", parsed.failure().reason)}));
    return std::nullopt;
  }
  if (parsed.value().is_object()) return std::move(parsed.value().get_object());
  call.responder->respond(
      openai_error(Failure{"", fmt::format("the body: expected an object, found {}", kind_of(&parsed.value()))}));
  return std::nullopt;
}

/** The model that the body names, else null, and that has been said. */
std::shared_ptr<ServedModel> model_of(Call& call, const json::object& body) {
  const json::value* name = body.if_contains("model");
  if (name != nullptr && !name->is_string() && !name->is_null()) {
    call.responder->respond(openai_error(Failure{"model", fmt::format("expected a string, found {}", kind_of(name))}));
    return nullptr;
  }
  const std::string_view text = name != nullptr && name->is_string() ? std::string_view(name->get_string()) : "";
  auto model = call.service.find(text);
  if (!model) {
    call.responder->respond(openai_error({404, {"model", fmt::format("there is no model '{}' here", text)}}));
  }
  return model;
}

std::string name_given(const json::object& body, const ServedModel& model) {
  const json::value* name = body.if_contains("model");
  return name != nullptr && name->is_string() ? std::string(name->get_string()) : model.name;
}

void chat_completions(Call& call) {
  const auto body = body_of(call);
  if (!body) return;
  const auto model = model_of(call, *body);
  if (!model) return;
  auto request = read_chat_request(*body, model->facts);
  if (!request) return call.responder->respond(openai_error(request.failure()));
  auto reply = chat_reply(call.responder, request.value(), name_given(*body, *model), *model);
  call.service.generate(call, model, std::move(request.value().ask), std::move(reply));
}

void completions(Call& call) {
  const auto body = body_of(call);
  if (!body) return;
  const auto model = model_of(call, *body);
  if (!model) return;
  auto request = read_completion_request(*body, model->facts);
  if (!request) return call.responder->respond(openai_error(request.failure()));
  auto reply = completion_reply(call.responder, request.value(), name_given(*body, *model), *model);
  call.service.generate(call, model, std::move(request.value().ask), std::move(reply));
}

/** Beside OpenAI's fields: how much it reads at once, and what beside text. */
json::object model_object(const ServedModel& model) {
  json::array modalities{"text"};
  if (model.media.takes(media::Kind::image)) modalities.insert(modalities.end(), {"image", "video"});
  if (model.media.takes(media::Kind::audio)) modalities.emplace_back("audio");
  return {{"id", model.name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "gemma4"},
          {"max_model_len", model.speaker.engine.context()},
          {"modalities", std::move(modalities)}};
}

void list_models(Call& call) {
  json::array data;
  for (const auto& model : call.service.models()) data.push_back(model_object(*model));
  HttpResponse response;
  response.body = write_json(json::object{{"object", "list"}, {"data", std::move(data)}});
  call.responder->respond(std::move(response));
}

void one_model(Call& call) {
  const std::string name = percent_decoded(call.rest);
  const auto model = call.service.find(name);
  if (!model)
    return call.responder->respond(openai_error({404, {"", fmt::format("there is no model '{}' here", name)}}));
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
