// SPDX-License-Identifier: Apache-2.0
#include "grammar/character_set.h"

namespace gemma {
namespace {

constexpr char32_t kSurrogates = 0xD800, kBehindSurrogates = 0xE000;

CharacterSet blanks() { return {{'\t', '\r'}, {' ', ' '}}; }

/** Also what Python and JavaScript beside these call a blank: a text that may have none has none of them. */
CharacterSet every_blank() {
  return {{'\t', '\r'},     {0x1C, ' '},      {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
          {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
}

}  // namespace

CharacterSet tidied(CharacterSet set) {
  std::sort(set.begin(), set.end());
  CharacterSet joined;
  for (const auto& [low, high] : set) {
    if (!joined.empty() && low <= joined.back().second + 1) {
      joined.back().second = std::max(joined.back().second, high);
    } else {
      joined.emplace_back(low, high);
    }
  }
  CharacterSet out;
  for (const auto& [low, high] : joined) {
    if (high < kSurrogates || low >= kBehindSurrogates) {
      out.emplace_back(low, high);
      continue;
    }
    if (low < kSurrogates) out.emplace_back(low, kSurrogates - 1);
    if (high >= kBehindSurrogates) out.emplace_back(kBehindSurrogates, high);
  }
  return out;
}

CharacterSet complement(const CharacterSet& set) {
  CharacterSet out;
  char32_t next = 0;
  for (const auto& [low, high] : tidied(set)) {
    if (low > next) out.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kLastCharacter) out.emplace_back(next, kLastCharacter);
  return tidied(std::move(out));
}

CharacterSet named_set(char32_t letter) {
  const CharacterSet digits{{'0', '9'}}, word{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return complement(digits);
    case 'w':
      return word;
    case 'W':
      return complement(word);
    case 's':
      return blanks();
    case 'S':
      return complement(every_blank());
    default:
      return {};
  }
}

CharacterSet dot_set() { return complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}); }

}  // namespace gemma
