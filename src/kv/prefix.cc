// SPDX-License-Identifier: Apache-2.0
// Prefix reuse: a new prompt shares pages with what is remembered and goes on from there.
#include <algorithm>

#include "kv/kv_state.h"

namespace gemma {

void KvCache::State::keep_to_most_places() {
  while (remembered.places() > options.remembered) forget_oldest();
}

void KvCache::remember(const PrefixView& text, SeqId id, std::span<const int64_t> places) {
  State& s = *state_;
  CachedSequence& sequence = s.at(id);
  if (s.options.remembered <= 0 || sequence.length == 0) return;
  GEMMA_CHECK(static_cast<int64_t>(text.tokens.size()) >= sequence.length, "a text for all that the sequence holds");
  s.remembered.remember(text, sequence, places);
  s.keep_to_most_places();
}

void KvCache::remember(const PrefixView& text, SeqId sequence) {
  const int64_t end = length(sequence);
  remember(text, sequence, std::span(&end, 1));
}

KvCache::Known KvCache::known_prefix(const PrefixView& text) const {
  const PrefixTree::Found found = state_->remembered.find(text);
  return {found.length, found.familiar};
}

int KvCache::match_prefix(const PrefixView& text, SeqId id) {
  State& s = *state_;
  CachedSequence& sequence = s.at(id);
  s.clear(sequence);
  s.remembered.take(s.remembered.find(text), text, sequence);
  return sequence.length;
}

void KvCache::forget_remembered() {
  while (state_->remembered.forget_oldest()) {
  }
}

}  // namespace gemma
