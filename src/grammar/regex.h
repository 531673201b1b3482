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
    list,      // `least` to `most` of the parts but the first, in their order, the first between each two of them; of
               // these a repeat from 0 may be missing, an endless one come more than once
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

Pattern of_set(CharacterSet set);
Pattern in_sequence(std::vector<Pattern> parts);
Pattern one_of(std::vector<Pattern> parts);
Pattern times(Pattern part, int least, int most);
Pattern of_rule(size_t id);
Pattern of_token(int32_t id);
/** Just this text. */
Pattern exactly(std::string_view text);
/** Whether it says where a text begins or ends. */
bool has_anchors(const Pattern& pattern);
/** Without what it says at its ends of a whole text. */
Pattern without_ends(Pattern pattern);
/** Any character. */
Pattern any_character();

}  // namespace gemma
