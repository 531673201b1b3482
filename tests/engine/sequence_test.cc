// SPDX-License-Identifier: Apache-2.0
// A sequence's logits are equal to the bit however it came to be: cut into any chunks, beside any neighbours, on one to
// four threads, forked, truncated, continued, found again by its prefix, with rows left out that nobody wants.
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

/** A text with its media, and the logits of all its rows when it is fed at once, alone, on one thread. */
struct Truth {
  std::vector<int32_t> tokens;
  std::vector<MediaRows> media;
  std::vector<float> logits;  // [tokens, vocab]
};

/** A batch in the making. */
class BatchBuilder {
 public:
  explicit BatchBuilder(const KvCache& cache) : cache_(cache) {}

  /** The next `rows` rows of a sequence that is fed `truth`. */
  void add(SeqId id, const Truth& truth, int rows) {
    const auto first = static_cast<int64_t>(batch.tokens.size());
    const int begin = cache_.length(id);
    batch.segments.push_back({id, first, rows});
    for (int i = begin; i < begin + rows; ++i) {
      batch.tokens.push_back(truth.tokens[static_cast<size_t>(i)]);
      batch.positions.push_back(i);
    }
    for (const MediaRows& m : truth.media) {
      const int64_t from = std::max<int64_t>(begin, m.first_row);
      const int64_t to = std::min<int64_t>(begin + rows, m.first_row + m.rows);
      if (from >= to) continue;
      batch.media.push_back({first + from - begin, to - from, m.bidirectional,
                             m.embedding.slice(from - m.first_row, to - from), m.content});
    }
  }

  Batch batch;

 private:
  const KvCache& cache_;
};

/** The rows of one chunk: at most `most`, never ending inside a block. */
int chunk_rows(const Truth& truth, int begin, int most) {
  int end = std::min(static_cast<int>(truth.tokens.size()), begin + most);
  for (const MediaRows& m : truth.media) {
    const auto first = static_cast<int>(m.first_row), last = static_cast<int>(m.first_row + m.rows);
    if (m.bidirectional && first < end && end < last) end = first > begin ? first : last;
  }
  return end - begin;
}

class Trial {
 public:
  Trial(const std::string& name, unsigned seed) : dice_(seed) {
    const bool blocks = dice_.one_in(2);
    model_ = tiny_model(name, blocks);
    choose_cache(dice_, options_);
    options_.media_overlay = blocks && dice_.one_in(3);
    main_ = make_truth(dice_.between(20, 140), blocks);
    for (int i = 0; i < 3; ++i) others_.push_back(make_truth(dice_.between(1, 60), blocks && dice_.one_in(2)));
  }

  void run() {
    Ops& ops = ops_with(dice_.between(1, kMostThreads));
    KvCache cache(model_->config, options_, ops);
    SeqId id = cache.create();
    std::map<SeqId, const Truth*> neighbours;
    for (int steps = 0; cache.length(id) < static_cast<int>(main_.tokens.size()) && steps < 300; ++steps) {
      disturb(cache, id);
      BatchBuilder builder(cache);
      if (dice_.one_in(2)) builder.add(id, main_, next_rows(cache, id, main_));
      std::map<SeqId, const Truth*> fed{{id, &main_}};
      for (const Truth& other : others_) {
        if (!dice_.one_in(2)) continue;
        const SeqId neighbour = cache.create();
        neighbours[neighbour] = &other;
      }
      for (const auto& [neighbour, truth] : neighbours) {
        const int rows = next_rows(cache, neighbour, *truth);
        if (rows == 0 || dice_.one_in(2)) continue;
        builder.add(neighbour, *truth, rows);
        fed[neighbour] = truth;
      }
      if (!builder.batch.tokens.empty()) check(ops, cache, builder.batch, fed);
      while (neighbours.size() > 4) {
        cache.release(neighbours.begin()->first);
        neighbours.erase(neighbours.begin());
      }
    }
    EXPECT_EQ(cache.length(id), static_cast<int>(main_.tokens.size()));
  }

 private:
  Truth make_truth(int n, bool media) {
    Truth truth{random_tokens(dice_, n), {}, {}};
    if (media) truth.media = random_media(dice_, n, model_->config.dim);
    Ops& ops = ops_with(1);
    KvCache cache(model_->config, options_, ops);
    BatchBuilder builder(cache);
    builder.add(cache.create(), truth, n);
    for (int i = 0; i < n; ++i) builder.batch.wanted.push_back(i);
    truth.logits = logits_of(ops, cache, builder.batch);
    return truth;
  }

  int next_rows(const KvCache& cache, SeqId id, const Truth& truth) {
    return chunk_rows(truth, cache.length(id), dice_.one_in(3) ? 1 : dice_.between(1, dice_.one_in(4) ? 140 : 40));
  }

  /** Something that must leave what `id` holds a beginning of the main text. */
  void disturb(KvCache& cache, SeqId& id) {
    const PrefixKey key = [&] {
      PrefixKey k{main_.tokens, {}, 0};
      for (const MediaRows& m : main_.media) k.media.push_back({m.first_row, m.rows, m.bidirectional, m.content});
      return k;
    }();
    switch (dice_.below(11)) {
      case 0:
        cache.truncate(id, dice_.below(cache.length(id) + 1));
        break;
      case 1: {  // goes on as a copy; the original goes away, or on with other tokens
        const SeqId copy = cache.create();
        cache.fork(id, copy);
        if (dice_.one_in(2)) stray(cache, id);
        cache.release(std::exchange(id, copy));
        break;
      }
      case 2:
        cache.remember(key, id);
        break;
      case 5: {  // at places on the way
        std::vector<int64_t> places;
        for (int64_t place = dice_.between(1, 20); place <= cache.length(id); place += dice_.between(1, 40)) {
          places.push_back(place);
        }
        cache.remember(key, id, places);
        break;
      }
      case 3:
        cache.match_prefix(key, id);
        break;
      case 4: {  // others share its pages and write behind them
        const SeqId copy = cache.create();
        cache.fork(id, copy);
        stray(cache, copy);
        cache.release(copy);
        break;
      }
      default:
        break;
    }
  }

  void stray(KvCache& cache, SeqId id) {
    Truth other{main_.tokens, {}, {}};
    const int rows = std::min(dice_.between(1, 9), static_cast<int>(main_.tokens.size()) - cache.length(id));
    if (rows == 0) return;
    for (int32_t& token : other.tokens) token = dice_.between(3, 499);
    BatchBuilder builder(cache);
    builder.add(id, other, rows);
    logits_of(ops_with(1), cache, builder.batch);
  }

  std::vector<float> logits_of(Ops& ops, KvCache& cache, const Batch& batch) {
    EXPECT_TRUE(cache.reserve(batch));
    Context context{ops, model_->config, model_->weights, cache};
    const Tensor states = forward(context, batch);
    cache.commit(batch);
    if (batch.wanted.empty()) return {};
    const Tensor y = logits(ops, model_->config, model_->weights, states);
    return {y.data<float>().begin(), y.data<float>().end()};
  }

  /** Feeds the batch with some of its rows wanted, and compares these. */
  void check(Ops& ops, KvCache& cache, Batch& batch, const std::map<SeqId, const Truth*>& fed) {
    const auto vocab = static_cast<size_t>(model_->config.vocab);
    std::vector<const float*> expected;
    const int often = dice_.between(1, 4);
    for (const Segment& s : batch.segments) {
      for (int64_t row = s.first_row; row < s.first_row + s.rows; ++row) {
        if (!dice_.one_in(often)) continue;
        batch.wanted.push_back(static_cast<int32_t>(row));
        const int64_t index = cache.length(s.sequence) + row - s.first_row;
        expected.push_back(fed.at(s.sequence)->logits.data() + static_cast<size_t>(index) * vocab);
      }
    }
    const std::vector<float> found = logits_of(ops, cache, batch);
    ASSERT_EQ(found.size(), expected.size() * vocab);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(std::memcmp(found.data() + i * vocab, expected[i], vocab * sizeof(float)), 0)
          << "row " << batch.wanted[i] << " of " << batch.tokens.size();
    }
  }

  Dice dice_;
  std::shared_ptr<const Model> model_;
  KvOptions options_;
  Truth main_;
  std::vector<Truth> others_;
};

class Sequences : public testing::TestWithParam<std::string> {};

TEST_P(Sequences, LogitsAreEqualHoweverTheyCome) {
  for (unsigned seed = 1; seed <= rounds(6) && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Trial(GetParam(), seed).run();
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, Sequences, testing::ValuesIn(all_models()),
                         [](const auto& each) { return test_name(each.param); });

}  // namespace
}  // namespace gemma::testing_engine
