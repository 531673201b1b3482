// SPDX-License-Identifier: Apache-2.0
// The mask of a whole answer: its thought, then what the grammar allows, brought to its end before the tokens run out.
#pragma once

#include <memory>

#include "grammar/after_thought.h"
#include "grammar/grammar.h"
#include "grammar/hurry.h"

namespace gemma {

/** Of an answer's tokens, in which it is brought to its end: so many, or the last half of fewer than twice as many. */
constexpr int kTokensToEnd = 256;

/** budget: what holds the thought, or null. max_tokens: of the answer; 0: as many as there is room for. room: tokens
 * that the context has left; 0: not known. */
std::unique_ptr<TokenMask> answer_mask(const Grammar& grammar, const ThoughtPlace& thought,
                                       std::unique_ptr<TokenMask> budget, std::shared_ptr<const JsonEnds> ends,
                                       int max_tokens, int room = 0);

}  // namespace gemma
