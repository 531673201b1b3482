// SPDX-License-Identifier: Apache-2.0
// What belongs to no protocol: is it alive, is it ready, what are the tokens of a text.
#include <fmt/format.h>

#include "base/utf8.h"
#include "serve/fields.h"
#include "serve/openai_wire.h"
#include "serve/openapi.h"
#include "serve/service.h"

namespace gemma::serve {
namespace {

void respond(Call& call, const json::object& object) {
  HttpResponse response;
  response.body = write_json(object);
  call.responder->respond(std::move(response));
}

/** What the engine has counted is its thread's. */
void metrics(Call& call) {
  const auto model = call.service.models().front();
  const auto connections = call.service.options().connections;
  model->thread->post(
      [responder = call.responder, model, &service = call.service, open = connections ? connections() : 0] {
        HttpResponse response;
        response.type = "text/plain; version=0.0.4; charset=utf-8";
        const Engine& engine = model->speaker.engine;
        response.body = service.metrics().text(engine.stats(), service.intake().stats(), engine.cache(), open);
        responder->respond(std::move(response));
      });
}

void openapi(Call& call) {
  respond(call, openapi_document(call.service.models().front()->facts, call.service.has_keys()));
}

void health(Call& call) { respond(call, {{"status", "ok"}}); }

struct Given {
  std::shared_ptr<ServedModel> model;
  json::object body;
};

Result<Given> given(Call& call) {
  auto parsed = parse_json(call.request.body, 16);
  if (!parsed) return Failure{"", fmt::format("the body is no JSON: {}", parsed.failure().reason)};
  if (!parsed.value().is_object()) return Failure{"", "the body: expected an object"};
  Given out{nullptr, std::move(parsed.value().get_object())};
  const json::value* name = out.body.if_contains("model");
  out.model = call.service.find(name != nullptr && name->is_string() ? std::string_view(name->get_string()) : "");
  if (!out.model) return Failure{"model", "there is no such model here"};
  return out;
}

void tokenize(Call& call) {
  auto asked = given(call);
  if (!asked) return call.responder->respond(openai_error(asked.failure()));
  Fields fields(asked.value().body);
  fields.text("model");
  const auto text = fields.text("text"), prompt = fields.text("prompt");
  const bool bos = fields.flag("add_special_tokens").value_or(false);
  if (!text && !prompt) fields.fail("text", "is missing");
  if (auto failure = fields.failure()) return call.responder->respond(openai_error(*failure));
  const ServedModel& model = *asked.value().model;
  json::array ids;
  if (bos && model.tokenizer->add_bos()) ids.push_back(model.speaker.config.special.bos);
  for (const int32_t id : model.tokenizer->encode(text ? *text : *prompt, Specials::text)) ids.push_back(id);
  const auto count = static_cast<int64_t>(ids.size());
  respond(call, {{"tokens", std::move(ids)}, {"count", count}, {"max_model_len", model.speaker.engine.context()}});
}

void detokenize(Call& call) {
  auto asked = given(call);
  if (!asked) return call.responder->respond(openai_error(asked.failure()));
  Fields fields(asked.value().body);
  fields.text("model");
  const json::array* tokens = fields.list("tokens");
  if (tokens == nullptr) fields.fail("tokens", "is missing");
  if (auto failure = fields.failure()) return call.responder->respond(openai_error(*failure));
  const ServedModel& model = *asked.value().model;
  std::string text;
  for (size_t i = 0; i < tokens->size(); ++i) {
    const json::value& id = (*tokens)[i];
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= model.tokenizer->size()) {
      return call.responder->respond(openai_error(Failure{
          fmt::format("tokens[{}]", i), fmt::format("expected an id of 0 to {}", model.tokenizer->size() - 1)}));
    }
    text += model.tokenizer->bytes(static_cast<int32_t>(id.get_int64()));
  }
  respond(call, {{"prompt", utf8::replace_invalid(text)}});
}

}  // namespace

std::vector<Route> plain_routes() {
  return {{"GET", "/health", health, openai_error, std::nullopt},
          {"GET", "/health/live", health, openai_error, std::nullopt},
          {"GET", "/health/ready", health, openai_error, std::nullopt},
          {"GET", "/openapi.json", openapi, openai_error, std::nullopt},
          {"GET", "/metrics", metrics, openai_error, Scope::metrics},
          {"POST", "/tokenize", tokenize, openai_error, Scope::models},
          {"POST", "/detokenize", detokenize, openai_error, Scope::models}};
}

}  // namespace gemma::serve
