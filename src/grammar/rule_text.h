// SPDX-License-Identifier: Apache-2.0
// Rules as people write them (EBNF; docs/grammar.md): read into patterns and checked.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/regex.h"

namespace gemma {

constexpr size_t kMostRuleBytes = 65'536;

struct Rule {
  std::string name;
  Pattern body;
  bool nests = false;  // lists and objects, which lie in one another
};

struct RuleSet {
  std::vector<Rule> rules;
  size_t root = 0;
};

/** The id of a control piece by its name; none where there is no such piece. */
using TokenByName = std::function<std::optional<int32_t>(std::string_view piece)>;

/** tokens: null where rules may name none. The failure's field is "grammar", its reason begins with line and column.
 *  Every rule that is reached has a text, and none begins with itself. */
Result<RuleSet> parse_rules(std::string_view text, const TokenByName& tokens);

}  // namespace gemma
