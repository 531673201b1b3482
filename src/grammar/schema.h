// SPDX-License-Identifier: Apache-2.0
// What of a JSON schema a mask can keep to. One walk reads the schema against a list of keywords for each kind of
// value and writes a narrower one, of which the compiler of grammars keeps every word; what the walk does not know is
// refused, never passed over.
#pragma once

#include "base/error.h"
#include "base/json.h"

namespace gemma {

/** Nodes, values and characters of texts a schema may have together (docs/grammar.md): compiling takes seconds then. */
constexpr size_t kMostSchemaParts = 1500;

/** A schema all of whose answers fit `schema`: each node is {}, an enum, an anyOf, a $ref into the root's $defs, or has
 *  one `type` and the keywords of that type. The failure names the place and what cannot be kept to. */
Result<json::value> kept_schema(const json::value& schema);

}  // namespace gemma
