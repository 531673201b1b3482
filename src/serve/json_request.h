// SPDX-License-Identifier: Apache-2.0
// What requests of all protocols begin with: a body that is a JSON object, and the name of a model in it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "serve/service.h"

namespace gemma::serve {

struct NamedRequest {
  json::object body;
  std::string name;   // as the client calls the model, "" for none
  std::string known;  // as it is known here
};

struct JsonRequest {
  json::object body;
  std::shared_ptr<ServedModel> model;
  std::string name;  // as the client calls the model, or its own
};

/** Nothing where that is wrong: then the client has been told, in the shape of `error`. `other`: a field that may stand
 *  for "model". */
std::optional<NamedRequest> read_named_request(Call& call, HttpResponse (*error)(const Refusal&),
                                               std::string_view other = {});
/** Nothing where the model is loaded first (Service::take). */
std::optional<JsonRequest> with_model(Call& call, NamedRequest named);
/** Both. */
std::optional<JsonRequest> read_json_request(Call& call, HttpResponse (*error)(const Refusal&));

}  // namespace gemma::serve
