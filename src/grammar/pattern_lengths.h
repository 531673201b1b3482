// SPDX-License-Identifier: Apache-2.0
// How many characters the texts of a pattern have.
#pragma once

#include <cstdint>
#include <optional>

#include "grammar/regex.h"

namespace gemma {

/** The texts of a pattern that have `least` to `most` characters (kEndless: as many as there are). None where no text
 *  has, or no pattern is known for them: it is known where all texts have such lengths anyway, and where the pattern is
 *  parts of one length each and at most one repetition of single characters ("[a-z][a-z0-9]*"). */
std::optional<Pattern> of_length(Pattern pattern, int64_t least, int64_t most);

}  // namespace gemma
