// SPDX-License-Identifier: Apache-2.0
// Rules of the JSON that fits a schema.
#pragma once

#include "grammar/grammar.h"
#include "grammar/rule_text.h"

namespace gemma {

/** kept: what kept_schema wrote. The failure names the place and what no table keeps to. */
Result<RuleSet> json_rules(const json::object& kept, Fence fence);

/** Patterns of numbers as JSON writes them. */
Pattern any_integer();
Pattern any_number();
/** From `low` to `high`, null for without end: whole numbers of 64 bits. */
Pattern integers_between(const json::value& low, const json::value& high);

/** A bound of numbers with six decimal places at most; infinite for none. */
struct NumberBound {
  double value;
  bool excluded = false;
};
/** Without exponents. */
Pattern numbers_between(NumberBound low, NumberBound high);

/** The pattern's texts as they stand in a string of JSON. */
Pattern in_json(const Pattern& pattern);

}  // namespace gemma
