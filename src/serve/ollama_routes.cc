// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "serve/fields.h"
#include "serve/json_request.h"
#include "serve/ollama.h"
#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

constexpr std::string_view kVersion = "0.12.11";  // of Ollama's own whose ways these are; apps ask for a least one

void respond(Call& call, const json::object& object) {
  HttpResponse response;
  response.body = write_json(object);
  call.responder->respond(std::move(response));
}

/** Whether it was asked for nothing but that a model goes which is not there: nobody loads it for that. */
bool has_unloaded(Call& call, const NamedRequest& named, OllamaWay way) {
  const auto state = call.service.state_of(named.known);
  if (!state || state->loaded) return false;
  const auto request = read_ollama_request(named.body, ModelFacts(), way);
  if (!request || request.value().idle != "unload") return false;
  call.responder->respond(ollama_idle(request.value(), named.name.empty() ? state->card.name : named.name));
  return true;
}

void answer(Call& call, OllamaWay way) {
  auto named = read_named_request(call, ollama_error);
  if (!named || has_unloaded(call, *named, way)) return;
  const std::string known = named->known;
  auto given = with_model(call, std::move(*named));
  if (!given) return;
  auto request = read_ollama_request(given->body, given->model->facts, way);
  if (!request) return call.responder->respond(ollama_error(request.failure()));
  const auto keep = request.value().keep_alive;
  const bool stays = keep && !call.service.keep(known, *keep);
  if (stays && request.value().idle == "unload") request.value().idle = "load";
  if (!request.value().idle.empty()) return call.responder->respond(ollama_idle(request.value(), given->name));
  auto reply = ollama_reply(call.responder, request.value(), given->name, *given->model);
  call.service.generate(call, given->model, std::move(request.value().ask), std::move(reply));
}

void chat(Call& call) { answer(call, OllamaWay::chat); }
void generate(Call& call) { answer(call, OllamaWay::generate); }

std::string family_of(const ModelCard& model) { return model.config.generation == 3 ? "gemma3" : "gemma4"; }

json::object details_of(const ModelCard& model) {
  const std::string family = family_of(model);
  return {{"parent_model", ""},
          {"format", model.file.format},
          {"family", family},
          {"families", json::array{json::value(family)}},
          {"parameter_size", spoken_size(model.file.parameters)},
          {"quantization_level", model.file.quantization}};
}

json::object model_object(const ModelCard& model) {
  return {
      {"name", model.name + ":latest"}, {"model", model.name + ":latest"}, {"modified_at", time_text(model.created)},
      {"size", model.file.bytes},       {"digest", model.file.digest},     {"details", details_of(model)}};
}

void tags(Call& call) {
  json::array models;
  for (const ModelState& model : call.service.models(true)) models.push_back(model_object(model.card));
  respond(call, {{"models", std::move(models)}});
}

void running(Call& call) {
  json::array models;
  for (const ModelState& model : call.service.models()) {
    if (!model.loaded) continue;
    json::object object = model_object(model.card);
    object.erase("modified_at");
    object["expires_at"] = "9999-12-31T23:59:59Z";  // while the server runs
    if (model.seconds) object["expires_at"] = time_text(seconds_now() + static_cast<int64_t>(*model.seconds));
    object["size_vram"] = 0;
    object["context_length"] = model.card.context;
    models.push_back(std::move(object));
  }
  respond(call, {{"models", std::move(models)}});
}

json::object model_info(const ModelCard& model) {
  const Config& config = model.config;
  const std::string family = family_of(model);
  json::object info{{"general.architecture", family}, {"general.parameter_count", model.file.parameters}};
  info[family + ".context_length"] = config.context;
  info[family + ".embedding_length"] = config.dim;
  info[family + ".block_count"] = static_cast<int64_t>(config.layers.size());
  info[family + ".vocab_size"] = config.vocab;
  return info;
}

void show(Call& call) {
  auto given = read_named_request(call, ollama_error, "name");  // as older clients call it
  if (!given) return;
  Fields fields(given->body);
  fields.text("model"), fields.text("name"), fields.flag("verbose");
  fields.unsupported("system", "is not supported", {""}), fields.unsupported("template", "is not supported", {""});
  fields.unsupported("options", "is not supported", {json::object()});
  if (auto failure = fields.failure()) return call.responder->respond(ollama_error(*failure));
  const auto state = call.service.state_of(given->known);
  if (!state || !state->card.fault.empty()) {
    const std::string why = state ? state->card.fault : "it is gone";
    return call.responder->respond(ollama_error({500, {"", why}}));
  }
  const ModelCard& model = state->card;
  json::array abilities{"completion"};
  if (model.encoders.sees()) abilities.push_back("vision");
  if (model.encoders.hears()) abilities.push_back("audio");
  if (model.thinks()) abilities.insert(abilities.end(), {"tools", "thinking"});
  const auto& chat = model.chat_template;
  respond(call, {{"modelfile", fmt::format("FROM {}\n", model.name)},
                 {"parameters", fmt::format("num_ctx {}", model.context)},
                 {"template", chat ? name_of(*chat) : std::string_view()},
                 {"details", details_of(model)},
                 {"model_info", model_info(model)},
                 {"capabilities", std::move(abilities)},
                 {"modified_at", time_text(model.created)}});
}

void version(Call& call) { respond(call, {{"version", kVersion}}); }

void embed(Call& call) { call.responder->respond(ollama_error(Failure{"", "this model makes text, no embeddings"})); }

}  // namespace

std::vector<Route> ollama_routes() {
  return {{"POST", "/api/chat", chat, ollama_error},
          {"POST", "/api/generate", generate, ollama_error},
          {"POST", "/api/show", show, ollama_error, Scope::models},
          {"GET", "/api/tags", tags, ollama_error, Scope::models},
          {"GET", "/api/ps", running, ollama_error, Scope::models},
          {"GET", "/api/version", version, ollama_error, std::nullopt},
          {"POST", "/api/embed", embed, ollama_error},
          {"POST", "/api/embeddings", embed, ollama_error}};
}

}  // namespace gemma::serve
