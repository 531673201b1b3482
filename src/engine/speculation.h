// SPDX-License-Identifier: Apache-2.0
// What the engine keeps of one answer's guesses (docs/speculation.md); for its own files only.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/draft_length.h"
#include "engine/prompt_lookup.h"
#include "tensor/tensor.h"

namespace gemma {

/** Tokens that may come next, and how they fare as tokens come. */
struct Guess {
  std::vector<int32_t> tokens;
  std::vector<int> grades;  // of GuessOdds

  /** No tokens; their memory stays. */
  void clear();
  /** Of the first `most` of them. */
  Guesses odds(const GuessOdds& all, int most, double seconds_each) const;
  void check(int32_t token, GuessOdds& all);

 private:
  size_t checked_ = 0;
  bool right_ = true;
};

struct Guessing {
  PromptLookup lookup;
  GuessOdds odds;
  GuessBalance balance;
  Guess looked_up;  // checked whether or not it is fed: that costs nothing
  Guess drafted;
  std::vector<int32_t> fed;  // behind the last token in the next step
  Tensor state;              // final-norm state that chose the last token, [1, dim]; while there is a drafter
  double draft_seconds = 0;  // that making `fed` took
  int64_t drafted_tokens = 0, accepted_tokens = 0;
};

}  // namespace gemma
