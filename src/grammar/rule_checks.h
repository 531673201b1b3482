// SPDX-License-Identifier: Apache-2.0
// What only all rules together tell.
#pragma once

#include <optional>

#include "grammar/rule_text.h"

namespace gemma {

/** Why rules cannot be kept to: one that is reached has no text, or comes to itself again without a text. */
std::optional<Failure> check_rules(const RuleSet& rules);

/** Writes rules that begin with themselves another way: "a ::= a x | y" is "a ::= y x*". The failure names one that
 *  begins with itself by way of others. */
std::optional<Failure> remove_left_recursion(RuleSet& rules);

}  // namespace gemma
