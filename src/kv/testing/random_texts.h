// SPDX-License-Identifier: Apache-2.0
// Random texts that often begin alike, and a reader that checks every key it sees of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "kv/testing/checked_cache.h"

namespace gemma::testing_kv {

/** Texts of few words, so that they often begin alike, and what was read to have them: a number for each history. */
class Histories {
 public:
  int32_t behind(int32_t history, int32_t token, uint64_t shown) {
    const auto [at, fresh] = numbers_.try_emplace({history, token, shown}, next_);
    next_ += fresh;
    return at->second;
  }

 private:
  std::map<std::tuple<int32_t, int32_t, uint64_t>, int32_t> numbers_;
  int32_t next_ = 1;
};

/** A random text with the history of each token. */
struct Text {
  PrefixKey key;
  std::vector<int32_t> histories;
};

class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}
  int below(size_t n) { return static_cast<int>(random_() % n); }

  /** Goes on from a piece of `from`, or from nothing. */
  Text text(const Text* from) {
    Text text;
    const int size = 1 + below(90);
    text.key.salt = static_cast<uint64_t>(below(2));
    size_t kept = from == nullptr ? 0 : static_cast<size_t>(below(from->key.tokens.size() + 1));
    if (from != nullptr) {
      text.key.salt = from->key.salt;
      kept = static_cast<size_t>(before_block(from->key.media, static_cast<int64_t>(kept)));
      for (const PrefixMedia& each : from->key.media) {
        if (each.first < static_cast<int64_t>(kept)) text.key.media.push_back(each);
      }
      if (!text.key.media.empty()) {
        kept = std::max(kept, static_cast<size_t>(text.key.media.back().first + text.key.media.back().rows));
      }
      text.key.tokens.assign(from->key.tokens.begin(), from->key.tokens.begin() + static_cast<int64_t>(kept));
    }
    while (static_cast<int>(text.key.tokens.size() - kept) < size) grow(text);
    int32_t at = -1 - static_cast<int32_t>(text.key.salt);
    for (size_t i = 0; i < text.key.tokens.size(); ++i) {
      const PrefixMedia* run = nullptr;
      for (const PrefixMedia& each : text.key.media) {
        if (static_cast<int64_t>(i) >= each.first && static_cast<int64_t>(i) < each.first + each.rows) run = &each;
      }
      const uint64_t shown =
          run == nullptr ? 0 : run->content * 1000 + static_cast<uint64_t>(run->rows) * 2 + run->bidirectional;
      text.histories.push_back(at = histories_.behind(at, text.key.tokens[i], shown));
    }
    return text;
  }

 private:
  void grow(Text& text) {
    if (below(8) != 0) return text.key.tokens.push_back(below(3));
    PrefixMedia run{static_cast<int64_t>(text.key.tokens.size()), 1 + below(11), below(2) != 0, 0};
    run.content = static_cast<uint64_t>(1 + below(2));
    text.key.media.push_back(run);
    text.key.tokens.insert(text.key.tokens.end(), static_cast<size_t>(run.rows), 9);
  }

  std::mt19937 random_;
  Histories histories_;
};

/** Feeds what `id` lacks of the text, a few rows at a time, and remembers some places of it. */
void read(Checked& c, Random& random, const Text& text, SeqId id, auto&& after_a_step) {
  const PrefixView view = text.key;
  c.held[id].assign(text.histories.begin(), text.histories.begin() + c.cache.length(id));
  while (c.cache.length(id) < static_cast<int>(view.tokens.size()) && !::testing::Test::HasFatalFailure()) {
    const int begin = c.cache.length(id);
    int64_t end = before_block(
        view.media, std::min<int64_t>(begin + 1 + random.below(23), static_cast<int64_t>(view.tokens.size())));
    for (const PrefixMedia& each : view.media) end = end == begin && each.first == begin ? begin + each.rows : end;
    Batch batch;
    batch.segments = {{id, 0, end - begin}};
    batch.tokens.assign(text.histories.begin() + begin, text.histories.begin() + end);
    for (const PrefixMedia& each : view.media) {
      const int64_t first = std::max<int64_t>(begin, each.first), last = std::min(end, each.first + each.rows);
      if (first < last) batch.media.push_back({first - begin, last - first, each.bidirectional, {}, each.content});
    }
    ASSERT_TRUE(c.step(batch));
    std::vector<int64_t> places;
    for (int64_t place = random.below(9) + 1; place <= end; place += 1 + random.below(40)) places.push_back(place);
    if (random.below(3) != 0) c.cache.remember(view, id, places);
    after_a_step();
  }
}

}  // namespace gemma::testing_kv
