// SPDX-License-Identifier: Apache-2.0
// What only all rules together tell.
#pragma once

#include <optional>

#include "grammar/rule_text.h"

namespace gemma {

/** Why rules cannot be kept to: one that is reached has no text, or comes to itself again without a text. */
std::optional<Failure> check_rules(const RuleSet& rules);

}  // namespace gemma
