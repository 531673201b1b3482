// SPDX-License-Identifier: Apache-2.0
#include "grammar/text_mask.h"

#include <algorithm>

namespace gemma {

void TextMask::fill(std::span<uint32_t> bits) {
  std::fill(bits.begin(), bits.end(), 0u);
  const int64_t place = places_.back();
  if (place == kStopped) return;
  rule_->allow(place, bits);
  if (!rule_->whole(place)) return;
  for (const int32_t id : stop_ids_) bits[static_cast<size_t>(id / 32)] |= uint32_t{1} << (id % 32);
}

bool TextMask::accept(int32_t token) {
  const int64_t place = places_.back();
  if (place == kStopped) return false;
  int64_t next = rule_->after(place, token);
  if (next == TextRule::kNowhere && rule_->whole(place) &&
      std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end()) {
    next = kStopped;
  }
  if (next == TextRule::kNowhere) return false;
  places_.push_back(next);
  return true;
}

void TextMask::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < places_.size(), "no more is undone than was accepted");
  places_.resize(places_.size() - static_cast<size_t>(tokens));
}

bool TextMask::nearer(std::span<uint32_t> bits) const {
  const int64_t place = places_.back();
  if (place == kStopped || rule_->whole(place)) return false;
  rule_->nearer(place, bits);
  return true;
}

bool TextMask::finished() const {
  const int64_t place = places_.back();
  return place == kStopped || (rule_->whole(place) && rule_->full(place));
}

}  // namespace gemma
