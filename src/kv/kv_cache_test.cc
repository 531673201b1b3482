// SPDX-License-Identifier: Apache-2.0
#include "kv/kv_cache.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "kv/testing/checked_cache.h"

namespace gemma::testing_kv {
namespace {

using testing::ElementsAre;

TEST(KvCache, RowsSeeTheirWindowAndThemselves) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create();
  ASSERT_TRUE(c.feed(a, 5));
  const Batch b = c.batch({{a, 4}});
  ASSERT_TRUE(c.cache.reserve(b));
  EXPECT_THAT(c.cache.plan(0, b).visible, ElementsAre(KeyRange{0, 6}, KeyRange{1, 7}, KeyRange{2, 8}, KeyRange{3, 9}));
  EXPECT_THAT(c.cache.plan(2, b).visible, ElementsAre(KeyRange{0, 6}, KeyRange{0, 7}, KeyRange{0, 8}, KeyRange{0, 9}));
}

TEST(KvCache, SomeRowsSeeWhatTheySeeAmongAll) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create(), d = c.create();
  const Batch batch = c.batch({{a, 3}, {b, 2}, {d, 4}});
  ASSERT_TRUE(c.cache.reserve(batch));
  const AttentionPlan all = c.cache.plan(2, batch);
  const std::vector<int32_t> rows{2, 5, 8};
  const AttentionPlan some = c.cache.plan(2, batch, rows);
  EXPECT_THAT(some.visible, ElementsAre(all.visible[2], all.visible[5], all.visible[8]));
  ASSERT_EQ(some.segments.size(), 2u);  // b wants none
  EXPECT_TRUE(std::ranges::equal(some.segments[0].pages, all.segments[0].pages));
  EXPECT_TRUE(std::ranges::equal(some.segments[1].pages, all.segments[2].pages));
  EXPECT_EQ(some.segments[1].first_row, 1);
  EXPECT_EQ(some.segments[1].rows, 2);
  EXPECT_EQ(some.slots, all.slots);  // keys are written for every row
  EXPECT_TRUE(c.cache.plan(4, batch, rows).slots.empty());
}

TEST(KvCache, BlocksSeeThemselvesOnSlidingLayers) {
  KvOptions options = small_options();
  for (bool overlay : {false, true}) {
    options.media_overlay = overlay;
    Checked c(small_config(3), options);
    const SeqId a = c.create();
    ASSERT_TRUE(c.feed(a, 2));
    Batch b = c.batch({{a, 8}});
    b.media = {{1, 5, true, {}, 7}, {6, 1, false, {}, 8}};  // tokens 3 .. 7 are a picture, 8 is sound
    ASSERT_TRUE(c.cache.reserve(b));
    const auto sliding = c.cache.plan(0, b).visible, full = c.cache.plan(2, b).visible;
    if (overlay) {
      EXPECT_THAT(sliding, ElementsAre(KeyRange{0, 3}, KeyRange{1, 8}, KeyRange{2, 8}, KeyRange{3, 8}, KeyRange{3, 8},
                                       KeyRange{3, 8}, KeyRange{6, 9}, KeyRange{7, 10}));
      EXPECT_EQ(full[1], (KeyRange{0, 8}));
    } else {
      EXPECT_THAT(sliding, ElementsAre(KeyRange{0, 3}, KeyRange{1, 8}, KeyRange{2, 8}, KeyRange{3, 8}, KeyRange{4, 8},
                                       KeyRange{5, 8}, KeyRange{6, 9}, KeyRange{7, 10}));
      EXPECT_EQ(full[1], (KeyRange{0, 4}));
    }
  }
}

TEST(KvCache, WindowsDropPagesAfterTheStep) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create();
  ASSERT_TRUE(c.feed(a, 40));  // one long chunk sees all it has to
  const AttentionPlan plan = [&] {
    const Batch b = c.batch({{a, 1}});
    EXPECT_TRUE(c.cache.reserve(b));
    return c.cache.plan(0, b);
  }();
  EXPECT_EQ(plan.segments[0].first_page, (40 - 6 + 1 - 4) / 4);
  EXPECT_EQ(plan.segments[0].pages.size(), 11u - 7u);
  const int64_t windowed = 2 * 2 * 4 * 2 * 3 * 4, full = 2 * 4 * 5 * 4;  // bytes of a page
  EXPECT_EQ(c.cache.bytes_used(), 4 * windowed + 11 * full);
}

TEST(KvCache, ForksShareAndCopyTheLastPageOnWrite) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 6));
  const int64_t alone = c.cache.bytes_used();
  c.cache.fork(a, b);
  c.held[b] = c.held[a];
  EXPECT_EQ(c.cache.bytes_used(), alone);
  ASSERT_TRUE(c.step(c.batch({{a, 1}, {b, 1}})));  // checks that neither wrote over the other
  const int64_t windowed = 2 * 2 * 4 * 2 * 3 * 4, full = 2 * 4 * 5 * 4;
  EXPECT_EQ(c.cache.bytes_used(), alone + windowed + full);
  c.cache.release(a);
  ASSERT_TRUE(c.feed(b, 3));
  c.cache.release(b);
  EXPECT_EQ(c.cache.bytes_used(), 0);
}

TEST(KvCache, TruncateKeepsWhatItCan) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create();
  ASSERT_TRUE(c.feed(a, 30));
  EXPECT_EQ(c.cache.truncate(a, 99), 30);
  EXPECT_EQ(c.cache.truncate(a, 28), 28);  // the last page border is always within reach
  c.held[a].resize(28);
  ASSERT_TRUE(c.feed(a, 1));
  EXPECT_EQ(c.cache.truncate(a, 12), 0);  // the window has moved on
  EXPECT_EQ(c.cache.bytes_used(), 0);
  c.held[a].clear();
  ASSERT_TRUE(c.feed(a, 10));
  EXPECT_EQ(c.cache.truncate(a, 3), 3);
  c.held[a].resize(3);
  ASSERT_TRUE(c.feed(a, 9));
}

TEST(KvCache, TruncateNeverCutsABlock) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create();
  Batch b = c.batch({{a, 9}});
  b.media = {{2, 4, true, {}, 1}};
  ASSERT_TRUE(c.cache.reserve(b));
  c.cache.commit(b);
  EXPECT_EQ(c.cache.truncate(a, 6), 6);
  EXPECT_EQ(c.cache.truncate(a, 5), 2);
  EXPECT_EQ(c.cache.length(a), 2);
}

TEST(KvCache, TheByteLimitIsKept) {
  const Config config = small_config();
  const int64_t limit = KvCache::bytes_for(config, small_options(), 50, 10);
  Checked c(config, small_options(limit));
  const SeqId a = c.create(), b = c.create();
  while (c.cache.length(a) < 50) ASSERT_TRUE(c.feed(a, 10));
  EXPECT_LE(c.ops.meter.most, limit);
  EXPECT_FALSE(c.cache.has_room(50, 10));
  EXPECT_FALSE(c.feed(b, 40));
  EXPECT_EQ(c.cache.length(b), 0);
  c.cache.remember(c.key(a), a);
  c.cache.release(a);
  EXPECT_TRUE(c.cache.has_room(50, 10));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(c.feed(b, 10));  // what was remembered gives way
  EXPECT_LE(c.ops.meter.most, limit);
}

TEST(KvCache, ANewLimitIsKeptAtOnce) {
  const Config config = small_config();
  const int64_t whole = KvCache::bytes_for(config, small_options(), 200, 10);
  const int64_t half = KvCache::bytes_for(config, small_options(), 90, 10);
  Checked c(config, small_options(whole));
  const SeqId a = c.create(), b = c.create();
  while (c.cache.length(a) < 100) ASSERT_TRUE(c.feed(a, 10));
  c.cache.remember(c.key(a), a);
  ASSERT_TRUE(c.feed(b, 10));
  EXPECT_FALSE(c.cache.shrink_to(half));  // of what runs nothing is taken
  EXPECT_EQ(c.cache.length(a), 100);
  c.cache.remember(c.key(a), a);
  c.cache.release(a);
  EXPECT_TRUE(c.cache.shrink_to(half));
  EXPECT_LE(c.cache.bytes_allocated(), half);
  ASSERT_TRUE(c.feed(b, 10));  // which still has its keys
  EXPECT_TRUE(c.cache.shrink_to(whole));
  while (c.cache.length(b) < 150) ASSERT_TRUE(c.feed(b, 10));
  EXPECT_LE(c.ops.meter.most, whole);
}

TEST(KvCache, RoomMovesBetweenGroups) {
  const Config config = small_config();
  const int64_t limit = KvCache::bytes_for(config, small_options(), 400, 4);
  Checked c(config, small_options(limit));
  std::vector<SeqId> many;
  for (bool more = true; more;) {
    many.push_back(c.create());
    more = c.feed(many.back(), 8);
  }
  for (SeqId id : many) c.cache.release(id);  // the windowed pools are large now
  const SeqId a = c.create();
  while (c.cache.length(a) < 400) ASSERT_TRUE(c.feed(a, 4)) << c.cache.length(a);
  EXPECT_LE(c.ops.meter.most, limit);
}

TEST(KvCache, BytesForIsEnough) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 50; ++trial) {
    const Config config = small_config(1 + static_cast<int>(random() % 20));
    const int tokens = 1 + static_cast<int>(random() % 200), rows = 1 + static_cast<int>(random() % 40);
    const int64_t limit = KvCache::bytes_for(config, small_options(), tokens, rows);
    Checked c(config, small_options(limit));
    const SeqId a = c.create();
    while (c.cache.length(a) < tokens) ASSERT_TRUE(c.feed(a, std::min(rows, tokens - c.cache.length(a))));
    EXPECT_LE(c.ops.meter.most, limit);
  }
}

/** Any order of operations, under a limit, leaves each sequence with exactly its own keys. */
TEST(KvCache, AnyHistoryKeepsEverySequence) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto below = [&](size_t n) { return static_cast<int>(random() % n); };
    const Config config = small_config(1 + below(12));
    const int64_t limit = below(2) != 0 ? KvCache::bytes_for(config, small_options(), 120) : 0;
    Checked c(config, small_options(limit));
    std::vector<SeqId> ids{c.create(), c.create(), c.create(), c.create()};
    const auto any = [&] { return ids[static_cast<size_t>(below(ids.size()))]; };
    for (int i = 0; i < 200 && !testing::Test::HasFatalFailure(); ++i) {
      const SeqId a = any(), b = any();
      switch (below(6)) {
        case 0:
          c.cache.fork(a, b);
          c.held[b] = c.held[a];
          break;
        case 1:
          c.held[a].resize(static_cast<size_t>(c.cache.truncate(a, below(c.held[a].size() + 1))));
          break;
        case 2:
          c.cache.remember(c.key(a), a);
          break;
        case 3: {
          PrefixKey key = c.key(a);
          key.tokens.push_back(0);
          if (below(2) != 0) key.tokens[static_cast<size_t>(below(key.tokens.size()))] = -1;
          c.held[b].assign(key.tokens.begin(), key.tokens.begin() + c.cache.match_prefix(key, b));
          break;
        }
        default:
          if (a == b) {
            if (!c.feed(a, 1 + below(20))) c.held[a].resize(static_cast<size_t>(c.cache.truncate(a, 0)));
          } else if (!c.step(c.batch({{a, 1 + below(9)}, {b, 1 + below(3)}}))) {
            c.held[a].resize(static_cast<size_t>(c.cache.truncate(a, 0)));
          }
      }
      ASSERT_EQ(c.cache.length(a), static_cast<int>(c.held[a].size()));
    }
    for (SeqId id : ids) c.cache.release(id);
    c.cache.forget_remembered();
    EXPECT_EQ(c.cache.bytes_used(), 0);
    if (limit > 0) {
      EXPECT_LE(c.ops.meter.most, limit);
    }
  }
}

}  // namespace
}  // namespace gemma::testing_kv
