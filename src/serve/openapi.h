// SPDX-License-Identifier: Apache-2.0
// /openapi.json: what the server takes and says, as OpenAPI 3.1. Each protocol describes itself in openapi/NAME.json;
// what is the same for all of them is added here: that a field which is not required may be null and that none may be
// there which is not named (fields.h), errors, keys. tests/e2e/serve_openapi_test.py holds it to what is really read.
//
// In openapi/*.json, beside JSON Schema:
//   "$ref": "Name"                        a schema of any protocol
//   "with": ["Name"]                      has that one's properties, too
//   "only": [values]                      Fields::unsupported: null, false, or one of these
//   "label": true                         Fields::label
//   "open": true                          may also have what it does not name
//   "maximum": "vocabulary" | "last token" | "context"    of the model that is served
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/model_card.h"

namespace gemma::serve {

/** {"paths", "requests", "answers"} each. A way has "request" (JSON) or "form" (multipart), "answer", and the types of
 * what else it may say: "stream", "text", "subtitles". Made by cmake/openapi.cmake. */
const std::vector<std::string_view>& openapi_parts();

/** model: of which the document says how much it takes; keys: whether somebody without a key is refused. */
json::object openapi_document(const ModelCard& model, bool keys);

}  // namespace gemma::serve
