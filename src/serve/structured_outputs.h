// SPDX-License-Identifier: Apache-2.0
// Forms of answers other than response_format, as clients of vLLM name them: "structured_outputs", and "guided_json"
// and its like, which are older.
#pragma once

#include <optional>

#include "serve/ask.h"
#include "serve/fields.h"

namespace gemma::serve {

/** Nothing where none of these fields is there; more than one is a failure. */
std::optional<Constraint> read_structured_outputs(Fields& fields);

}  // namespace gemma::serve
