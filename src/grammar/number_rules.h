// SPDX-License-Identifier: Apache-2.0
// Patterns of numbers as JSON writes them, and tool calls too.
#pragma once

#include "base/json.h"
#include "grammar/regex.h"

namespace gemma {

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

}  // namespace gemma
