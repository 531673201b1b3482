// SPDX-License-Identifier: Apache-2.0
// What is remembered of texts, and found again.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/clock.h"
#include "kv/testing/checked_cache.h"
#include "kv/testing/random_texts.h"

namespace gemma::testing_kv {
namespace {

TEST(Prefixes, PrefixesAreFoundByContent) {
  Checked c(small_config(100), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 11));
  c.cache.remember(c.key(a), a);
  c.cache.release(a);
  PrefixKey key = c.key(a);
  EXPECT_EQ(c.cache.match_prefix(key, b), 10);  // a row is left to feed
  key.tokens.push_back(77);
  EXPECT_EQ(c.cache.match_prefix(key, b), 11);
  c.held[b] = c.held[a];
  ASSERT_TRUE(c.feed(b, 3));
  key.tokens[7] = -5;
  EXPECT_EQ(c.cache.match_prefix(key, b), 7);
  c.held[b].assign(c.held[a].begin(), c.held[a].begin() + 7);
  ASSERT_TRUE(c.feed(b, 6));
  key.salt = 1;
  EXPECT_EQ(c.cache.match_prefix(key, b), 0);  // another caller
}

TEST(Prefixes, WindowStateIsHeldForReuse) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 21));
  c.cache.remember(c.key(a), a);
  ASSERT_TRUE(c.feed(a, 30));  // the live sequence's window moves on, the remembered one's does not
  PrefixKey key = c.key(a);
  key.tokens.resize(60, -1);
  EXPECT_EQ(c.cache.match_prefix(key, b), 21);
  key.tokens[20] = -3;
  EXPECT_EQ(c.cache.match_prefix(key, b), 20);
  c.held[b].assign(c.held[a].begin(), c.held[a].begin() + 20);
  ASSERT_TRUE(c.feed(b, 9));
  key.tokens[9] = -3;
  EXPECT_EQ(c.cache.match_prefix(key, b), 0);  // keys 4 .. 9 are gone
}

TEST(Prefixes, MediaMatchByContentAndWhole) {
  Checked c(small_config(100), small_options());
  const SeqId a = c.create(), b = c.create();
  Batch batch = c.batch({{a, 20}});
  batch.media = {{2, 3, false, {}, 50}, {8, 6, true, {}, 51}};
  ASSERT_TRUE(c.cache.reserve(batch));
  c.cache.commit(batch);
  PrefixKey key{batch.tokens, {{2, 3, false, 50}, {8, 6, true, 51}}, 0};
  c.cache.remember(key, a);
  key.tokens.push_back(1);
  EXPECT_EQ(c.cache.match_prefix(key, b), 20);
  PrefixKey other = key;
  other.media[1].content = 52;  // another picture
  EXPECT_EQ(c.cache.match_prefix(other, b), 8);
  other.media[0].content = 0;
  EXPECT_EQ(c.cache.match_prefix(other, b), 2);
  other = key;
  other.tokens[10] = -4;  // inside the picture
  EXPECT_EQ(c.cache.match_prefix(other, b), 8);
  other = key;
  other.tokens[3] = -4;  // sound may be cut
  EXPECT_EQ(c.cache.match_prefix(other, b), 3);
  other = key;
  other.media.clear();  // the same ids as plain tokens
  EXPECT_EQ(c.cache.match_prefix(other, b), 2);
}

TEST(Prefixes, ThoseUsedLongestAgoGiveWay) {
  KvOptions options = small_options();
  options.remembered = 2;
  Checked c(small_config(), options);
  std::vector<PrefixKey> keys;
  for (int i = 0; i < 3; ++i) {
    const SeqId a = c.create();
    ASSERT_TRUE(c.feed(a, 5));
    keys.push_back(c.key(a));
    c.cache.remember(keys.back(), a);
    c.cache.release(a);
    keys.back().tokens.push_back(0);
    const SeqId b = c.create();
    EXPECT_EQ(c.cache.match_prefix(keys[0], b), 5);  // keeps the first one fresh
    c.cache.release(b);
  }
  const SeqId b = c.create();
  EXPECT_EQ(c.cache.match_prefix(keys[1], b), 0);
  EXPECT_EQ(c.cache.match_prefix(keys[2], b), 5);
  c.cache.release(b);
  c.cache.forget_remembered();
  EXPECT_EQ(c.cache.bytes_used(), 0);
}

/** Remembers the first `length` tokens of a sequence that holds just these. */
PrefixKey remember(Checked& c, SeqId id, std::vector<int64_t> places) {
  const PrefixKey key = c.key(id);
  c.cache.remember(key, id, places);
  return key;
}

constexpr int64_t kWindowedPage = 2 * 2 * 4 * 2 * 3 * 4, kFullPage = 2 * 4 * 5 * 4;  // bytes, of small_config

TEST(Prefixes, PlacesKeepTheirWindows) {
  Checked c(small_config(), small_options());  // windows of 6, pages of 4
  const SeqId a = c.create(), b = c.create();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(c.feed(a, 10));
    remember(c, a, {30, 64, 100});
  }
  const PrefixKey key = c.key(a);
  c.cache.release(a);
  const auto usable = [&](size_t edited) {
    PrefixKey other = key;
    if (edited < other.tokens.size()) other.tokens[edited] = -1;
    other.tokens.push_back(-2);
    const int length = c.cache.match_prefix(other, b);
    EXPECT_EQ(c.cache.known_prefix(other).familiar, static_cast<int>(std::min<size_t>(edited, 100)));
    c.held[b].assign(key.tokens.begin(), key.tokens.begin() + length);
    EXPECT_TRUE(c.feed(b, 7));  // each key that it sees is as it should be
    return length;
  };
  EXPECT_EQ(usable(100), 100);
  EXPECT_EQ(usable(97), 97);  // any token of a place's page
  EXPECT_EQ(usable(90), 64);
  EXPECT_EQ(usable(62), 62);
  EXPECT_EQ(usable(59), 32);  // the end of the page on which the place is
  EXPECT_EQ(usable(29), 29);
  EXPECT_EQ(usable(27), 0);
  c.cache.release(b);
  // All pages without a window; with one those of three places: what a row on a page of a place sees, and that page.
  EXPECT_EQ(c.cache.bytes_used(), 25 * kFullPage + 3 * 3 * kWindowedPage);
  EXPECT_EQ(c.cache.bytes_remembered(), c.cache.bytes_used());
}

TEST(Prefixes, TextsThatBeginAlikeHoldItOnce) {
  Checked c(small_config(), small_options());
  const SeqId first = c.create();
  ASSERT_TRUE(c.feed(first, 40));
  const PrefixKey system = remember(c, first, {40});
  c.cache.release(first);
  const int64_t once = c.cache.bytes_used();
  EXPECT_EQ(once, 10 * kFullPage + 3 * kWindowedPage);  // of the row behind 40 tokens: 35 and on, and the page before
  for (int i = 0; i < 10; ++i) {
    const SeqId a = c.create();
    PrefixKey key = system;
    key.tokens.push_back(-1);
    ASSERT_EQ(c.cache.match_prefix(key, a), 40);
    c.held[a] = system.tokens;
    ASSERT_TRUE(c.feed(a, 8));
    remember(c, a, {48});
    c.cache.release(a);
  }
  // Each has two pages of its own, and of those of the system's turn it keeps the last one.
  EXPECT_EQ(c.cache.bytes_used(), once + 10 * (2 * kFullPage + 2 * kWindowedPage));
}

TEST(Prefixes, TextsThatWereReadTwiceAreHeldOnce) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  const Batch batch = c.batch({{a, 30}});
  for (SeqId id : {a, b}) {
    Batch same = batch;
    same.segments[0].sequence = id;
    ASSERT_TRUE(c.step(same));
  }
  const int64_t twice = c.cache.bytes_used();
  remember(c, a, {30});
  EXPECT_EQ(c.cache.bytes_used(), twice);
  remember(c, b, {30});
  EXPECT_EQ(c.cache.bytes_used(), twice - 8 * kFullPage - 3 * kWindowedPage);  // the others it does not need any more
  ASSERT_TRUE(c.step(c.batch({{a, 5}, {b, 5}})));
}

TEST(Prefixes, TheSamePageBehindAnotherBeginningIsAnother) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 12));
  PrefixKey key = remember(c, a, {12});
  key.tokens[1] = -1;
  key.tokens.push_back(-2);
  EXPECT_EQ(c.cache.match_prefix(key, b), 1);
}

TEST(Prefixes, ATextThatEndedOnAPageGoesOn) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 10));
  remember(c, a, {10});
  ASSERT_TRUE(c.feed(a, 1));  // on a page of its own, since the old one is shared
  remember(c, a, {11});
  ASSERT_TRUE(c.feed(a, 4));
  PrefixKey key = remember(c, a, {15});
  c.cache.release(a);
  EXPECT_EQ(c.cache.bytes_used(), 4 * (kFullPage + kWindowedPage));  // the pages that ended early are gone
  key.tokens[10] = -1;
  EXPECT_EQ(c.cache.match_prefix(key, b), 10);
  c.held[b].assign(c.held[a].begin(), c.held[a].begin() + 10);
  ASSERT_TRUE(c.feed(b, 40));
}

TEST(Prefixes, ASequenceThatHasMovedOnLeavesThePageThatEndedThere) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 22));
  remember(c, a, {22});
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(c.feed(a, 5));  // its window has left the page on which the text ended
  PrefixKey key = remember(c, a, {52});
  key.tokens[22] = -1;
  EXPECT_EQ(c.cache.match_prefix(key, b), 22);
  key.tokens[22] = c.held[a][22];
  key.tokens[50] = -1;
  EXPECT_EQ(c.cache.match_prefix(key, b), 50);
}

TEST(Prefixes, SaltsNeverShare) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 20));
  PrefixKey key = c.key(a);
  key.salt = 1;
  c.cache.remember(key, a);
  key.tokens.push_back(-1);
  for (uint64_t other : {0, 2, 3}) {
    key.salt = other;
    EXPECT_EQ(c.cache.match_prefix(key, b), 0);
    EXPECT_EQ(c.cache.known_prefix(key).familiar, 0);
  }
  key.salt = 1;
  EXPECT_EQ(c.cache.match_prefix(key, b), 20);
}

TEST(Prefixes, WhatNobodyCanFindIsNotKept) {
  Checked c(small_config(), small_options());
  const SeqId a = c.create(), b = c.create();
  ASSERT_TRUE(c.feed(a, 30));
  PrefixKey key = c.key(a);
  key.media = {{12, 4, false, 9}, {21, 5, true, 0}};  // nobody knows what the second one shows
  c.cache.remember(key, a, std::vector<int64_t>{20, 30});
  key.tokens.push_back(-1);
  EXPECT_EQ(c.cache.match_prefix(key, b), 20);
  c.cache.release(a);
  c.cache.release(b);
  EXPECT_EQ(c.cache.bytes_used(), 5 * kFullPage + 3 * kWindowedPage);
}

TEST(Prefixes, ALookUpDoesNotGetSlowWithMany) {
  KvOptions options = small_options();
  options.page_size = 64;
  options.remembered = 600;
  Checked c(small_config(512), options);
  std::vector<PrefixKey> keys;
  for (int e = 0; e < 500; ++e) {
    const SeqId a = c.cache.create();
    Batch b;
    b.tokens.resize(8192);
    b.segments = {{a, 0, 8192}};
    for (int i = 0; i < 8192; ++i) b.tokens[static_cast<size_t>(i)] = i < 8000 ? i : e * 10000 + i;
    keys.push_back({b.tokens, {}, 0});
    const int known = c.cache.match_prefix(keys.back(), a);
    b.tokens.erase(b.tokens.begin(), b.tokens.begin() + known);
    b.segments[0].rows -= known;
    ASSERT_TRUE(c.cache.reserve(b));
    c.cache.commit(b);
    c.cache.remember(keys.back(), a, std::vector<int64_t>{8000, 8192});
    c.cache.release(a);
  }
  const auto start = Clock::now();
  for (const PrefixKey& key : keys) EXPECT_EQ(c.cache.known_prefix(key).usable, 8191);
  const double each = seconds_since(start) / 500;
  RecordProperty("microseconds", std::to_string(each * 1e6));
  EXPECT_LT(each, 1e-3);  // 15 us; a comparison with every one of them took 6.5 ms
}

/** Reads texts one after another, a few at a time, from what is known of them, under a limit that leaves little room to
 *  remember: no row ever sees another text's key, and no byte is taken above the limit. */
void read_many(unsigned seed) {
  Random random(seed);
  const Config config = small_config(1 + random.below(12));
  KvOptions options = small_options();
  options.byte_limit =
      random.below(4) != 0 ? KvCache::bytes_for(config, options, 200, 24) * (10 + random.below(20)) / 10 : 0;
  options.remembered = 1 + random.below(60);
  Checked c(config, options);
  std::vector<Text> texts{random.text(nullptr)};
  int64_t used = 0, familiar = 0;
  for (int i = 0; i < 60 && !testing::Test::HasFatalFailure(); ++i) {
    const Text* from = random.below(5) != 0 ? &texts[static_cast<size_t>(random.below(texts.size()))] : nullptr;
    Text text = random.text(from);
    if (text.key.tokens.size() > 190) text = random.text(nullptr);
    const PrefixView view = text.key;
    const SeqId id = c.create();
    const KvCache::Known known = c.cache.known_prefix(view);
    ASSERT_EQ(c.cache.match_prefix(view, id), known.usable);
    ASSERT_LE(known.usable, known.familiar);
    ASSERT_LT(known.familiar, static_cast<int>(view.tokens.size()));
    ASSERT_EQ(before_block(view.media, known.usable), known.usable);
    used += known.usable;
    familiar += known.familiar;
    read(c, random, text, id, [&] {
      if (options.byte_limit > 0) {
        ASSERT_LE(c.cache.bytes_used(), options.byte_limit);
        ASSERT_LE(c.ops.meter.most, options.byte_limit);
      }
      ASSERT_LE(c.cache.bytes_remembered(), c.cache.bytes_used());
    });
    if (random.below(3) != 0) c.cache.remember(view, id);
    c.cache.release(id);
    ASSERT_EQ(c.cache.bytes_remembered(), c.cache.bytes_used());
    texts.push_back(std::move(text));
  }
  EXPECT_GT(used, 0);
  EXPECT_GT(familiar, used / 2);
  c.cache.forget_remembered();
  EXPECT_EQ(c.cache.bytes_used(), 0);
}

TEST(Prefixes, AnyTextsUnderALimit) {
  for (unsigned seed = 0; seed < 60 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    read_many(seed);
  }
}

}  // namespace
}  // namespace gemma::testing_kv
