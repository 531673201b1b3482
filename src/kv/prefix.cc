// SPDX-License-Identifier: Apache-2.0
// Prefix reuse: a remembered sequence is an ordinary one that the cache itself holds on to, window state and all. A new
// prompt forks the one with which it shares most, and truncates the fork.
#include <algorithm>

#include "kv/kv_state.h"

namespace gemma {
namespace {

bool same(const PrefixMedia& a, const PrefixMedia& b) {
  return a.first == b.first && a.rows == b.rows && a.bidirectional == b.bidirectional && a.content == b.content &&
         a.content != 0;
}

/** Tokens that a sequence of `held` tokens under `a` and a prompt `b` have in common. */
int64_t common_prefix(const PrefixKey& a, const PrefixKey& b) {
  if (a.salt != b.salt) return 0;
  const auto [end, unused] = std::mismatch(a.tokens.begin(), a.tokens.end(), b.tokens.begin(), b.tokens.end());
  int64_t common = end - a.tokens.begin();
  // The first run in which they differ ends what is common: runs are rising, so all before it are pairs.
  size_t i = 0;
  while (i < a.media.size() && i < b.media.size() && same(a.media[i], b.media[i])) ++i;
  if (i < a.media.size()) common = std::min(common, a.media[i].first);
  if (i < b.media.size()) common = std::min(common, b.media[i].first);
  // A block that the prompt must see whole is taken whole or not at all.
  for (const PrefixMedia& media : b.media) {
    if (media.bidirectional && media.first < common && common < media.first + media.rows) common = media.first;
  }
  return common;
}

}  // namespace

void KvCache::remember(const PrefixKey& key, SeqId sequence) {
  State& s = *state_;
  const CachedSequence& from = s.at(sequence);
  if (s.options.remembered <= 0 || from.length == 0) return;
  GEMMA_CHECK(static_cast<int64_t>(key.tokens.size()) >= from.length, "a key for all that the sequence holds");
  RememberedSequence entry{key, s.share(from), ++s.clock};
  entry.key.tokens.resize(static_cast<size_t>(from.length));
  std::erase_if(entry.key.media, [&](const PrefixMedia& media) { return media.first >= from.length; });
  for (RememberedSequence& old : s.remembered) {
    if (old.key.salt != key.salt || old.key.tokens != entry.key.tokens ||
        common_prefix(old.key, entry.key) != from.length) {
      continue;
    }
    s.clear(old.sequence);
    old = std::move(entry);
    return;
  }
  if (static_cast<int>(s.remembered.size()) >= s.options.remembered) s.forget_oldest();
  s.remembered.push_back(std::move(entry));
}

int KvCache::match_prefix(const PrefixKey& key, SeqId sequence) {
  State& s = *state_;
  const auto most = static_cast<int64_t>(key.tokens.size()) - 1;
  RememberedSequence* best = nullptr;
  int best_length = 0;
  for (RememberedSequence& entry : s.remembered) {
    const int length = s.keepable(entry.sequence, static_cast<int>(std::min(most, common_prefix(entry.key, key))));
    if (length <= best_length) continue;
    best = &entry;
    best_length = length;
  }
  s.clear(s.at(sequence));
  if (best == nullptr) return 0;
  best->last_use = ++s.clock;
  s.at(sequence) = s.share(best->sequence);
  return s.truncate(s.at(sequence), best_length);
}

bool KvCache::State::forget_oldest() {
  const auto oldest = std::min_element(remembered.begin(), remembered.end(),
                                       [](const auto& a, const auto& b) { return a.last_use < b.last_use; });
  if (oldest == remembered.end()) return false;
  clear(oldest->sequence);
  remembered.erase(oldest);
  return true;
}

void KvCache::forget_remembered() {
  while (state_->forget_oldest()) {
  }
}

}  // namespace gemma
