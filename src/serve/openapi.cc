// SPDX-License-Identifier: Apache-2.0
#include "serve/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <utility>

#include "serve/anthropic.h"
#include "serve/ollama.h"
#include "serve/openai_wire.h"
#include "serve/service.h"

namespace gemma::serve {
namespace {

constexpr const char* kSchemas = "#/components/schemas/";

json::object ref(std::string_view name) { return {{"$ref", kSchemas + std::string(name)}}; }

/** What may also be null, as each field that is not required. */
json::value nullable(json::object schema) {
  if (json::value* values = schema.if_contains("enum")) {
    json::array& list = values->as_array();
    if (std::find(list.begin(), list.end(), json::value()) == list.end()) list.emplace_back(nullptr);
    return schema;
  }
  if (const json::value* type = schema.if_contains("type"); type != nullptr && !schema.contains("const")) {
    json::array types = type->is_array() ? type->as_array() : json::array{*type};
    types.emplace_back("null");
    schema["type"] = std::move(types);
    return schema;
  }
  return json::object{{"anyOf", json::array{std::move(schema), json::object{{"type", "null"}}}}};
}

/** Schemas as OpenAPI has them, from those of the parts. */
class Schemas {
 public:
  Schemas(const ModelCard& model, json::object requests)
      : most_{{"vocabulary", model.config.vocab}, {"last token", model.config.vocab - 1}, {"context", model.context}},
        requests_(std::move(requests)) {}

  json::object requests() const {
    json::object out;
    for (const auto& [name, schema] : requests_) out[name] = expanded(schema.as_object(), true);
    return out;
  }

  json::object expanded(const json::object& given, bool request) const {
    if (const json::value* name = given.if_contains("$ref")) return ref(name->as_string());
    json::object out;
    for (const auto& pair : given) add(out, pair.key(), pair.value(), request);
    if (!given.contains("properties")) return out;
    const json::value* required = given.if_contains("required");
    out["properties"] = properties_of(given, required != nullptr ? required->as_array() : json::array(), request);
    if (request && !given.contains("open")) out["additionalProperties"] = false;
    return out;
  }

 private:
  void add(json::object& out, std::string_view key, const json::value& value, bool request) const {
    if (key == "properties" || key == "with" || key == "open") return;
    if (key == "only") {
      json::array values{nullptr, false};
      values.insert(values.end(), value.as_array().begin(), value.as_array().end());
      out["enum"] = std::move(values);
    } else if (key == "label") {
      out["type"] = json::array{"string", "object"};
      out["additionalProperties"] = json::object{{"type", json::array{"string", "null"}}};
    } else if (key == "maximum" && value.is_string()) {
      out["maximum"] = most_.at(std::string(value.as_string()));
    } else if (key == "anyOf" || key == "oneOf") {
      json::array arms;
      for (const json::value& arm : value.as_array()) arms.push_back(expanded(arm.as_object(), request));
      out[key] = std::move(arms);
    } else if ((key == "items" || key == "additionalProperties") && value.is_object()) {
      out[key] = expanded(value.as_object(), request);
    } else {
      out[key] = value;
    }
  }

  json::object properties_of(const json::object& given, const json::array& required, bool request) const {
    json::object out;
    if (const json::value* with = given.if_contains("with")) {
      for (const json::value& name : with->as_array()) {
        for (const auto& pair : properties_of(requests_.at(name.as_string()).as_object(), required, request)) {
          out[pair.key()] = pair.value();
        }
      }
    }
    for (const auto& pair : given.at("properties").as_object()) {
      const json::string name(pair.key());
      const bool needed = !request || std::find(required.begin(), required.end(), name) != required.end();
      json::object schema = expanded(pair.value().as_object(), request);
      if (needed) out[name] = std::move(schema);
      if (!needed) out[name] = nullable(std::move(schema));
    }
    return out;
  }

  std::map<std::string, int> most_;
  json::object requests_;
};

std::string_view error_of(const Route& route) {
  if (route.error == anthropic_error) return "AnthropicError";
  return route.error == ollama_error ? "OllamaError" : "OpenAIError";
}

json::object content_of(std::string_view type, json::object schema) {
  return {{type, json::object{{"schema", std::move(schema)}}}};
}

/** What may go wrong, by its status. */
json::object errors_of(const Route& route, const json::object& part, bool named, bool keys) {
  std::map<std::string, std::string_view> errors{{"500", "The server failed"}};
  if (route.method == "POST" || part.contains("query")) errors["400"] = "A field is wrong, or not known";
  if (route.method == "POST") {
    errors["413"] = "The body is too large";
    errors["429"] = "Too many requests are waiting";
  }
  if (route.method == "POST" || part.contains("unready")) {
    errors["503"] = "It has waited too long, or too many are connected, or the server begins or ends";
  }
  if (named || part.contains("request") || part.contains("form") || part.contains("missing"))
    errors["404"] = "There is no such thing here";
  if (keys && route.scope) {
    errors["401"] = "No key, or one that is not known";
    errors["403"] = "The key is not for that";
    errors["429"] = "Too many requests";
  }
  json::object out;
  for (const auto& [status, what] : errors) {
    out[status] =
        json::object{{"description", what}, {"content", content_of("application/json", ref(error_of(route)))}};
  }
  return out;
}

json::object answer_of(const json::object& part) {
  json::object content;
  if (const auto* name = part.if_contains("answer")) content = content_of("application/json", ref(name->as_string()));
  for (const char* key : {"text", "subtitles"}) {
    const json::value* type = part.if_contains(key);
    if (type != nullptr) content[type->as_string()] = json::object{{"schema", json::object{{"type", "string"}}}};
  }
  const json::value* stream = part.if_contains("stream");  // of events: of each of them nothing is said here
  if (stream != nullptr) content[stream->as_string()] = json::object{{"schema", json::object()}};
  return {{"description", "The answer"}, {"content", std::move(content)}};
}

/** `path`: "/v1/models/{model}". */
json::object operation(std::string_view method, const std::string& path, const json::object& part, bool keys) {
  const Route* route = find_route(method, path);
  GEMMA_CHECK(route != nullptr, "what is described is there");
  json::object out{{"summary", part.at("summary")}};
  const size_t open = path.find('{'), close = path.find('}');
  const bool named = open != std::string::npos;
  json::array parameters;
  if (named) {
    parameters.push_back({{"name", path.substr(open + 1, close - open - 1)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", json::object{{"type", "string"}, {"minLength", 1}}}});
  }
  if (const json::value* query = part.if_contains("query")) {
    for (const auto& pair : query->as_object()) {
      parameters.push_back({{"name", pair.key()}, {"in", "query"}, {"schema", pair.value()}});
    }
  }
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  for (const auto& [key, type] : {std::pair{"request", "application/json"}, {"form", "multipart/form-data"}}) {
    const json::value* name = part.if_contains(key);
    if (name == nullptr) continue;
    out["requestBody"] = json::object{{"required", true}, {"content", content_of(type, ref(name->as_string()))}};
  }
  json::object responses = errors_of(*route, part, named, keys);
  if (part.contains("answer") || part.contains("text")) responses["200"] = answer_of(part);
  out["responses"] = std::move(responses);
  if (keys && route->scope) {
    out["security"] = json::array{json::object{{"bearer", json::array()}}, json::object{{"header", json::array()}}};
  }
  return out;
}

json::object paths_of(const json::object& parts, bool keys) {
  json::object out;
  for (const auto& pair : parts) {
    const std::string path(pair.key());
    json::object ways;
    for (const auto& way : pair.value().as_object()) {
      std::string method(way.key());
      std::transform(method.begin(), method.end(), method.begin(), [](unsigned char c) { return std::toupper(c); });
      ways[way.key()] = operation(method, path, way.value().as_object(), keys);
    }
    out[path] = std::move(ways);
  }
  return out;
}

}  // namespace

json::object openapi_document(const ModelCard& model, bool keys) {
  json::object paths, requests, answers;
  for (const std::string_view text : openapi_parts()) {
    const json::value part = parse_json(text).value();
    for (const auto& [key, all] : {std::pair{"paths", &paths}, {"requests", &requests}, {"answers", &answers}}) {
      for (const auto& pair : part.at(key).as_object()) (*all)[pair.key()] = pair.value();
    }
  }
  const Schemas schemas(model, std::move(requests));
  json::object components = schemas.requests();
  for (const auto& pair : answers) components[pair.key()] = schemas.expanded(pair.value().as_object(), false);
  json::object out{{"openapi", "3.1.0"},
                   {"info", json::object{{"title", "gemma4 serve"}, {"version", "1"}}},
                   {"servers", json::array{json::object{{"url", "/"}}}},
                   {"paths", paths_of(paths, keys)}};
  json::object parts{{"schemas", std::move(components)}};
  if (keys) {
    parts["securitySchemes"] =
        json::object{{"bearer", json::object{{"type", "http"}, {"scheme", "bearer"}}},
                     {"header", json::object{{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}};
  }
  out["components"] = std::move(parts);
  return out;
}

}  // namespace gemma::serve
