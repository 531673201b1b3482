// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "serve/fields.h"
#include "serve/json_request.h"
#include "serve/ollama.h"

namespace gemma::serve {
namespace {

constexpr std::string_view kVersion = "0.12.11";  // of Ollama's own whose ways these are; apps ask for a least one

void respond(Call& call, const json::object& object) {
  HttpResponse response;
  response.body = write_json(object);
  call.responder->respond(std::move(response));
}

void answer(Call& call, OllamaWay way) {
  auto given = read_json_request(call, ollama_error);
  if (!given) return;
  auto request = read_ollama_request(given->body, given->model->facts, way);
  if (!request) return call.responder->respond(ollama_error(request.failure()));
  if (!request.value().idle.empty()) return call.responder->respond(ollama_idle(request.value(), given->name));
  auto reply = ollama_reply(call.responder, request.value(), given->name, *given->model);
  call.service.generate(call, given->model, std::move(request.value().ask), std::move(reply));
}

void chat(Call& call) { answer(call, OllamaWay::chat); }
void generate(Call& call) { answer(call, OllamaWay::generate); }

std::string family_of(const ServedModel& model) { return model.speaker.config.generation == 3 ? "gemma3" : "gemma4"; }

json::object details_of(const ServedModel& model) {
  const std::string family = family_of(model);
  return {{"parent_model", ""},
          {"format", model.file.format},
          {"family", family},
          {"families", json::array{json::value(family)}},
          {"parameter_size", spoken_size(model.file.parameters)},
          {"quantization_level", model.file.quantization}};
}

json::object model_object(const ServedModel& model) {
  return {
      {"name", model.name + ":latest"}, {"model", model.name + ":latest"}, {"modified_at", time_text(model.created)},
      {"size", model.file.bytes},       {"digest", model.file.digest},     {"details", details_of(model)}};
}

void tags(Call& call) {
  json::array models;
  for (const auto& model : call.service.models()) models.push_back(model_object(*model));
  respond(call, {{"models", std::move(models)}});
}

void running(Call& call) {
  json::array models;
  for (const auto& model : call.service.models()) {
    json::object object = model_object(*model);
    object.erase("modified_at");
    object["expires_at"] = "9999-12-31T23:59:59Z";  // while the server runs
    object["size_vram"] = 0;
    object["context_length"] = model->speaker.engine.context();
    models.push_back(std::move(object));
  }
  respond(call, {{"models", std::move(models)}});
}

json::object model_info(const ServedModel& model) {
  const Config& config = model.speaker.config;
  const std::string family = family_of(model);
  json::object info{{"general.architecture", family}, {"general.parameter_count", model.file.parameters}};
  info[family + ".context_length"] = config.context;
  info[family + ".embedding_length"] = config.dim;
  info[family + ".block_count"] = static_cast<int64_t>(config.layers.size());
  info[family + ".vocab_size"] = config.vocab;
  return info;
}

void show(Call& call) {
  auto given = read_json_request(call, ollama_error, "name");  // as older clients call it
  if (!given) return;
  Fields fields(given->body);
  fields.text("model"), fields.text("name"), fields.flag("verbose");
  fields.unsupported("system", "is not supported", {""}), fields.unsupported("template", "is not supported", {""});
  fields.unsupported("options", "is not supported", {json::object()});
  if (auto failure = fields.failure()) return call.responder->respond(ollama_error(*failure));
  const ServedModel& model = *given->model;
  json::array abilities{"completion"};
  if (model.media.takes(media::Kind::image)) abilities.push_back("vision");
  if (model.media.takes(media::Kind::audio)) abilities.push_back("audio");
  if (model.facts.tools) abilities.push_back("tools");
  if (model.facts.thinks) abilities.push_back("thinking");
  const auto& chat = model.speaker.chat_template;
  respond(call, {{"modelfile", fmt::format("FROM {}\n", model.name)},
                 {"parameters", fmt::format("num_ctx {}", model.speaker.engine.context())},
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
