// SPDX-License-Identifier: Apache-2.0
// Rules of the JSON that fits a schema.
#pragma once

#include "grammar/grammar.h"
#include "grammar/rule_text.h"

namespace gemma {

/** kept: what kept_schema wrote. The failure names the place and what no table keeps to. */
Result<RuleSet> json_rules(const json::object& kept, Fence fence);

}  // namespace gemma
