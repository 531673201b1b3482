// SPDX-License-Identifier: Apache-2.0
#include "engine/prompt_lookup.h"

#include <algorithm>
#include <utility>

namespace gemma {
namespace {

uint64_t key_of(int32_t first, int32_t second) {
  return uint64_t{static_cast<uint32_t>(first)} << 32 | static_cast<uint32_t>(second);
}

}  // namespace

void PromptLookup::extend(std::span<const int32_t> tokens) {
  for (int32_t token : tokens.subspan(std::min(tokens.size(), tokens_.size()))) {
    const auto followed = static_cast<size_t>(followed_);
    followed_ = followed_ > 0 && tokens_[followed] == token ? followed_ + 1 : 0;
    tokens_.push_back(token);
    const auto end = static_cast<int32_t>(tokens_.size());
    before_.push_back(end < kShortest ? 0 : std::exchange(latest_[key_of(tokens_[tokens_.size() - 2], token)], end));
  }
}

int PromptLookup::length_at(int32_t end) const {
  const int most = std::min<int>(end, kLongest);
  int length = 0;
  const auto here = tokens_.end() - 1, there = tokens_.begin() + end - 1;
  while (length < most && here[-length] == there[-length]) ++length;
  return length;
}

PromptLookup::Match PromptLookup::find() {
  Match best;
  if (followed_ > 0) best = {length_at(followed_), followed_};
  int32_t end = before_.back();
  for (int i = 0; i < kCandidates && end > 0 && best.length < kLongest; ++i, end = before_[static_cast<size_t>(end)]) {
    const int length = length_at(end);
    if (length > best.length || (length == best.length && end > best.end)) best = {length, end};
  }
  if (best.length < kShortest) best = {};
  followed_ = best.end;
  return best;
}

void PromptLookup::add_continuation(const Match& match, int count, std::vector<int32_t>& guess) const {
  if (match.length == 0) return;
  guess.reserve(guess.size() + static_cast<size_t>(count));
  const size_t circle = tokens_.size() - static_cast<size_t>(match.end);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    guess.push_back(tokens_[static_cast<size_t>(match.end) + i % circle]);
  }
}

}  // namespace gemma
