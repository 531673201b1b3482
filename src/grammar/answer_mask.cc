// SPDX-License-Identifier: Apache-2.0
#include "grammar/answer_mask.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace gemma {

std::unique_ptr<TokenMask> answer_mask(const Grammar& grammar, const ThoughtPlace& thought,
                                       std::unique_ptr<TokenMask> budget, std::shared_ptr<const JsonEnds> ends,
                                       int max_tokens, int room) {
  int limit = std::numeric_limits<int>::max();
  if (max_tokens > 0) limit = max_tokens;
  if (room > 0) limit = std::min(limit, room);
  auto mask = std::make_unique<AfterThought>(grammar.mask(), thought, std::move(budget));
  const Ending* ending = mask.get();
  return std::make_unique<Hurry>(std::move(mask), std::max(limit / 2, limit - kTokensToEnd), std::move(ends), ending);
}

}  // namespace gemma
