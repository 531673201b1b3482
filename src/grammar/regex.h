// SPDX-License-Identifier: Apache-2.0
// Regular expressions as JSON Schema and JavaScript write them, read into a tree. What no automaton can keep to
// (look-around, references to groups, word borders) is refused at its place.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace gemma {

/** Characters as ranges, both ends in them, sorted and apart. */
using CharacterSet = std::vector<std::pair<char32_t, char32_t>>;

struct Pattern {
  enum class Kind : uint8_t {
    set,       // one character of `set`
    sequence,  // all parts, one behind the other; none: the empty text
    choice,    // one of the parts
    repeat,    // the only part, `least` to `most` times
    begin,     // nothing, and only where the text begins
    end,       // nothing, and only where it ends
    token,     // the token `id`, a control piece (of rules only)
    rule,      // what the rule `id` stands for (of rules only)
  };
  static constexpr int kEndless = -1;

  Kind kind = Kind::sequence;
  CharacterSet set;
  std::vector<Pattern> parts;
  int least = 0, most = kEndless;
  int32_t id = 0;
};

/** The failure's field says where: "character 5". */
Result<Pattern> parse_regex(std::string_view text);

/** Just this text. */
Pattern exactly(std::string_view text);
/** Any character. */
Pattern any_character();

}  // namespace gemma
