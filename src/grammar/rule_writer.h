// SPDX-License-Identifier: Apache-2.0
// Rules in the words of their compiler, written so that its masks are quick: what follows a part is named at the end of
// it, and a repetition is a rule that ends in itself. A token then rarely runs over the end of a rule, and only there
// must the compiler look at more than one of its rules while an answer is drawn.
#pragma once

#include <functional>
#include <string>

#include "grammar/rule_text.h"

namespace gemma {

struct WriterLimits {
  std::function<size_t(const CharacterSet&)> looks;  // texts that compiling looks at for such a set, about
  size_t most_looks = 0;
  size_t most_rules = 20'000;
};

/** The failure's field is "grammar". */
Result<std::string> written(const RuleSet& rules, const WriterLimits& limits);

}  // namespace gemma
