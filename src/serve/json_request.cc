// SPDX-License-Identifier: Apache-2.0
#include "serve/json_request.h"

#include <fmt/format.h>

#include <utility>

#include "chat/template_value.h"
#include "serve/json_bounds.h"

namespace gemma::serve {
namespace {

Result<json::object> object_of(const std::string& body) {
  auto parsed = BoundedJson().read(body);
  if (!parsed) return Failure{"", fmt::format("the body is no JSON that can be read: {}", parsed.failure().reason)};
  if (auto twice = field_given_twice(body)) return Failure{std::move(*twice), "is given twice in one object"};
  if (parsed.value().is_object()) return std::move(parsed.value().get_object());
  return Failure{"", fmt::format("the body: expected an object, found {}", kind_of(&parsed.value()))};
}

}  // namespace

std::optional<NamedRequest> read_named_request(Call& call, HttpResponse (*error)(const Refusal&),
                                               std::string_view other) {
  const auto refuse = [&](const Refusal& refusal) {
    call.responder->respond(error(refusal));
    return std::nullopt;
  };
  auto body = object_of(call.request.body);
  if (!body) return refuse(body.failure());
  NamedRequest request{std::move(body).value(), {}, {}};
  const json::value* name = request.body.if_contains("model");
  if (name != nullptr && !name->is_string() && !name->is_null()) {
    return refuse(Failure{"model", fmt::format("expected a string, found {}", kind_of(name))});
  }
  if (name == nullptr && !other.empty()) name = request.body.if_contains(other);
  if (name != nullptr && name->is_string()) request.name = name->get_string();
  const auto known = call.service.known(request.name);
  if (!known) return refuse({404, {"model", fmt::format("there is no model '{}' here", request.name)}});
  request.known = *known;
  return request;
}

std::optional<JsonRequest> read_json_request(Call& call, HttpResponse (*error)(const Refusal&)) {
  auto named = read_named_request(call, error);
  return named ? with_model(call, std::move(*named)) : std::nullopt;
}

std::optional<JsonRequest> with_model(Call& call, NamedRequest named) {
  JsonRequest request{std::move(named.body), call.service.take(call, named.known), std::move(named.name)};
  if (!request.model) return std::nullopt;
  if (request.name.empty()) request.name = request.model->name;
  return request;
}

}  // namespace gemma::serve
