// SPDX-License-Identifier: Apache-2.0
// What belongs to no protocol: is it alive, is it ready, what are the tokens of a text.
#include <fmt/format.h>

#include "base/utf8.h"
#include "serve/fields.h"
#include "serve/json_request.h"
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

/** What the engines have counted is their thread's. */
void metrics(Call& call) {
  const ServiceOptions& options = call.service.options();
  const int open = options.connections ? options.connections() : 0;
  const int64_t lost = options.lost_lines ? options.lost_lines() : 0;
  call.service.engines().post([responder = call.responder, &service = call.service, models = call.service.models(),
                               open, lost] {
    HttpResponse response;
    response.type = "text/plain; version=0.0.4; charset=utf-8";
    const EngineThread& engines = service.engines();
    response.body =
        service.metrics().text(engines.stats(), service.intake().stats(), engines.cache_bytes(), open, lost, models);
    responder->respond(std::move(response));
  });
}

void openapi(Call& call) {
  const auto first = call.service.state_of("");
  respond(call, openapi_document(first ? first->card : ModelCard{}, call.service.has_keys()));
}

void health(Call& call) {
  int64_t loaded = 0;
  for (const ModelState& model : call.service.models()) loaded += model.loaded ? 1 : 0;
  respond(call, {{"status", "ok"}, {"models_loaded", loaded}});
}

/** A model that is not loaded is no reason: it is when it is asked for. */
void ready(Call& call) {
  if (!call.service.models(true).empty()) return health(call);
  call.responder->respond(openai_error({503, {"", "there is no model that could be served"}}));
}

void tokenize(Call& call) {
  auto asked = read_json_request(call, openai_error);
  if (!asked) return;
  Fields fields(asked->body);
  fields.text("model");
  const auto text = fields.text("text"), prompt = fields.text("prompt");
  const bool bos = fields.flag("add_special_tokens").value_or(false);
  if (!text && !prompt) fields.fail("text", "is missing");
  if (text && prompt) fields.fail("prompt", "is another name of \"text\": expected one of the two");
  if (auto failure = fields.failure()) return call.responder->respond(openai_error(*failure));
  const ServedModel& model = *asked->model;
  json::array ids;
  if (bos && model.tokenizer->add_bos()) ids.push_back(model.speaker.config.special.bos);
  for (const int32_t id : model.tokenizer->encode(text ? *text : *prompt, Specials::text)) ids.push_back(id);
  const auto count = static_cast<int64_t>(ids.size());
  respond(call, {{"tokens", std::move(ids)}, {"count", count}, {"max_model_len", model.speaker.engine.context()}});
}

void detokenize(Call& call) {
  auto asked = read_json_request(call, openai_error);
  if (!asked) return;
  Fields fields(asked->body);
  fields.text("model");
  const json::array* tokens = fields.list("tokens");
  if (tokens == nullptr) fields.fail("tokens", "is missing");
  if (auto failure = fields.failure()) return call.responder->respond(openai_error(*failure));
  const ServedModel& model = *asked->model;
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
  return {{"GET", "/health", ready, openai_error, std::nullopt},
          {"GET", "/health/live", health, openai_error, std::nullopt},
          {"GET", "/health/ready", ready, openai_error, std::nullopt},
          {"GET", "/openapi.json", openapi, openai_error, std::nullopt},
          {"GET", "/metrics", metrics, openai_error, Scope::metrics},
          {"POST", "/tokenize", tokenize, openai_error, Scope::models},
          {"POST", "/detokenize", detokenize, openai_error, Scope::models}};
}

}  // namespace gemma::serve
