// SPDX-License-Identifier: Apache-2.0
#include "serve/json_request.h"

#include <fmt/format.h>

#include "chat/template_value.h"

namespace gemma::serve {
namespace {

constexpr int kDepth = 128;

Result<json::object> object_of(const std::string& body) {
  auto parsed = parse_json(body, kDepth);
  if (!parsed) return Failure{"", fmt::format("the body is no JSON: {}", parsed.failure().reason)};
  if (parsed.value().is_object()) return std::move(parsed.value().get_object());
  return Failure{"", fmt::format("the body: expected an object, found {}", kind_of(&parsed.value()))};
}

/** As Ollama's clients say it, too. */
std::shared_ptr<ServedModel> find(Call& call, std::string_view name) {
  constexpr std::string_view kTag = ":latest";
  auto model = call.service.find(name);
  if (!model && name.ends_with(kTag)) {
    name.remove_suffix(kTag.size());
    model = call.service.find(name);
  }
  call.model = name;
  return model;
}

}  // namespace

std::optional<JsonRequest> read_json_request(Call& call, HttpResponse (*error)(const Refusal&),
                                             std::string_view other) {
  const auto refuse = [&](const Refusal& refusal) {
    call.responder->respond(error(refusal));
    return std::nullopt;
  };
  auto body = object_of(call.request.body);
  if (!body) return refuse(body.failure());
  JsonRequest request{std::move(body).value(), nullptr, {}};
  const json::value* name = request.body.if_contains("model");
  if (name != nullptr && !name->is_string() && !name->is_null()) {
    return refuse(Failure{"model", fmt::format("expected a string, found {}", kind_of(name))});
  }
  if (name == nullptr && !other.empty()) name = request.body.if_contains(other);
  if (name != nullptr && name->is_string()) request.name = name->get_string();
  request.model = find(call, request.name);
  if (!request.model) return refuse({404, {"model", fmt::format("there is no model '{}' here", request.name)}});
  if (request.name.empty()) request.name = request.model->name;
  return request;
}

}  // namespace gemma::serve
