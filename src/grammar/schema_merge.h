// SPDX-License-Identifier: Apache-2.0
// Schemas that a value has to fit together, as one schema.
#pragma once

#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace gemma {

/** What says the same as all of these, where each keyword means the same whether it stands in one of them or beside the
 *  others: properties of different names, required names, everything else in one of them or alike. The failure's field
 *  is the keyword that is not so. */
Result<json::object> merged_schema(const std::vector<json::object>& schemas);

}  // namespace gemma
