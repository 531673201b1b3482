// SPDX-License-Identifier: Apache-2.0
#include "grammar/call_mask.h"

#include <algorithm>

namespace gemma {

void CallMask::fill(std::span<uint32_t> bits) {
  if (modes_.back() == Mode::calls) return calls_->fill(bits);
  std::fill(bits.begin(), bits.end(), modes_.back() == Mode::text ? ~uint32_t{0} : 0u);
}

bool CallMask::accept(int32_t token) {
  Mode next = modes_.back();
  if (next == Mode::text) {
    if (token == open_) next = Mode::calls;
    if (std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end()) next = Mode::stopped;
  }
  if (modes_.back() == Mode::stopped || (next == Mode::calls && !calls_->accept(token))) return false;
  modes_.push_back(next);
  return true;
}

void CallMask::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < modes_.size(), "no more is undone than was accepted");
  const auto undone = std::count(modes_.end() - tokens, modes_.end(), Mode::calls);
  modes_.resize(modes_.size() - static_cast<size_t>(tokens));
  calls_->rollback(static_cast<int>(undone));
}

bool CallMask::finished() const {
  return modes_.back() == Mode::stopped || (modes_.back() == Mode::calls && calls_->finished());
}

bool CallMask::nearer(std::span<uint32_t> bits) const {
  const auto* ending = dynamic_cast<const Ending*>(calls_.get());
  return modes_.back() == Mode::calls && ending != nullptr && ending->nearer(bits);
}

}  // namespace gemma
