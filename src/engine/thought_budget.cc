// SPDX-License-Identifier: Apache-2.0
#include "engine/thought_budget.h"

#include <algorithm>

namespace gemma {

ThoughtBudget::ThoughtBudget(int budget, int32_t open, int32_t close, bool begins_open)
    : budget_(budget), open_(open), close_(close), spent_{begins_open ? 0 : -1} {}

bool ThoughtBudget::free() const { return spent_.back() < 0 || spent_.back() < budget_; }

void ThoughtBudget::fill(std::span<uint32_t> bits) {
  std::fill(bits.begin(), bits.end(), free() ? ~uint32_t{0} : 0);
  if (!free()) bits[static_cast<size_t>(close_ / 32)] = uint32_t{1} << (close_ % 32);
}

bool ThoughtBudget::accept(int32_t token) {
  if (!free() && token != close_) return false;
  const int spent = spent_.back();
  spent_.push_back(token == open_ ? 0 : token == close_ || spent < 0 ? -1 : spent + 1);
  return true;
}

void ThoughtBudget::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < spent_.size(), "no more is undone than was accepted");
  spent_.resize(spent_.size() - static_cast<size_t>(tokens));
}

}  // namespace gemma
