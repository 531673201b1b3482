// SPDX-License-Identifier: Apache-2.0
// What only all rules together tell.
#pragma once

#include <optional>
#include <vector>

#include "grammar/rule_text.h"

namespace gemma {

using RuleFlags = std::vector<bool>;  // of each rule

RuleFlags rules_that_may_be_empty(const RuleSet& rules);
/** Those that come to themselves again. */
RuleFlags rules_that_come_again(const RuleSet& rules);
/** Whether the empty text is one of the pattern's, where it is one of the rules of `empty`. */
bool may_be_empty(const Pattern& pattern, const RuleFlags& empty);

/** Why rules cannot be kept to: one that is reached has no text, or comes to itself again without a text. */
std::optional<Failure> check_rules(const RuleSet& rules);

}  // namespace gemma
