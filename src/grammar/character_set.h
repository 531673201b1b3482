// SPDX-License-Identifier: Apache-2.0
// Sets of characters that regular expressions name.
#pragma once

#include <algorithm>

#include "grammar/regex.h"

namespace gemma {

constexpr char32_t kLastCharacter = 0x10FFFF;

/** Sorted, those that touch made one, without surrogates. */
CharacterSet tidied(CharacterSet set);
/** All others. */
CharacterSet complement(const CharacterSet& set);

/** \d \w \s and their complements \D \W \S; empty for another letter. As in JavaScript, except that \s is of ASCII. */
CharacterSet named_set(char32_t letter);
/** What a dot stands for: all but the ends of lines. */
CharacterSet dot_set();

}  // namespace gemma
