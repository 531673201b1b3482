// SPDX-License-Identifier: Apache-2.0
#include "kv/kv_cache.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>

namespace gemma {
namespace {

using testing::ElementsAre;

/** Bytes alive, and the most there have been. */
struct Meter {
  int64_t bytes = 0, most = 0;
};

class MeteredStorage final : public Storage {
 public:
  MeteredStorage(int64_t bytes, Meter& meter) : bytes_(host_storage(bytes)), meter_(meter) {
    meter_.bytes += bytes;
    meter_.most = std::max(meter_.most, meter_.bytes);
  }
  ~MeteredStorage() override { meter_.bytes -= bytes(); }
  std::byte* host() override { return bytes_->host(); }
  int64_t bytes() const override { return bytes_->bytes(); }

 private:
  std::shared_ptr<Storage> bytes_;
  Meter& meter_;
};

/** What the cache asks of a device, on the host; fresh memory is poisoned. Nothing else may be called. */
class CacheOps final : public Ops {
 public:
  Meter meter;
  Tensor allocate(DType dtype, const Shape& shape) override {
    Tensor t(std::make_shared<MeteredStorage>(bytes_of(dtype, shape.count()), meter), 0, dtype, shape);
    for (float& value : t.data_mutable<float>()) value = std::numeric_limits<float>::quiet_NaN();
    return t;
  }
  Tensor upload(DType, const Shape&, std::span<const std::byte>) override { return none(); }
  Tensor load_rows(DType, const Shape&, const ReadRows&) override { return none(); }
  Tensor load_weight(DType, const Shape&, const ReadRows&) override { return none(); }
  int64_t weight_bytes(DType, const Shape&) const override { return 0; }
  void read(const Tensor&, std::span<std::byte>) override { none(); }
  Tensor gather_rows(const Tensor&, std::span<const int32_t>) override { return none(); }
  Tensor scatter_rows(const Tensor&, const Tensor&, std::span<const int32_t>) override { return none(); }
  Tensor columns(const Tensor&, int64_t, int64_t) override { return none(); }
  Tensor concat_columns(const Tensor&, const Tensor&) override { return none(); }
  Tensor rms_norm(const Tensor&, const Tensor*, float, int64_t) override { return none(); }
  Tensor layer_norm(const Tensor&, const Tensor&, const Tensor*, float) override { return none(); }
  Tensor add(const Tensor&, const Tensor&) override { return none(); }
  Tensor add_norm(const Tensor&, const Tensor&, const Tensor&, float) override { return none(); }
  Tensor mul(const Tensor&, const Tensor&) override { return none(); }
  Tensor scale(const Tensor&, float) override { return none(); }
  Tensor scale(const Tensor&, const Tensor&) override { return none(); }
  Tensor gated_gelu(const Tensor&, const Tensor&) override { return none(); }
  Tensor gated_sigmoid(const Tensor&, const Tensor&) override { return none(); }
  Tensor clamp(const Tensor&, float, float) override { return none(); }
  Tensor softcap(const Tensor&, float) override { return none(); }
  Tensor softmax(const Tensor&) override { return none(); }
  Tensor embed(const Tensor&, std::span<const int32_t>, float) override { return none(); }
  void linear(const Tensor&, std::span<const Tensor* const>, std::span<Tensor>) override { none(); }
  void route(const Tensor&, int, const Tensor&, Routing&) override { none(); }
  Tensor moe(const Tensor&, const Routing&, const Tensor&, const Tensor&) override { return none(); }
  Tensor rope(const Tensor&, std::span<const int32_t>, std::span<const float>, int64_t) override { return none(); }
  Tensor rope_2d(const Tensor&, int64_t, std::span<const float>, int64_t) override { return none(); }
  Tensor attention_dense(const Tensor&, const Tensor&, const Tensor&, int64_t) override { return none(); }
  Tensor pool(const Tensor&, int64_t, int64_t, float) override { return none(); }
  Tensor conv2d(const Tensor&, const Tensor&) override { return none(); }
  Tensor depthwise_conv1d(const Tensor&, const Tensor&) override { return none(); }
  Tensor audio_attention(const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, float) override {
    return none();
  }
  void write_kv(const AttentionPlan&, const Tensor&, const Tensor&) override { none(); }
  Tensor attention(const Tensor&, const AttentionPlan&) override { return none(); }
  std::vector<Candidates> candidates(const Tensor&, std::span<const uint32_t>, int) override {
    return none(), std::vector<Candidates>{};
  }

 private:
  static Tensor none() { return GEMMA_CHECK(false, "the cache calls no such op"), Tensor{}; }
};

LayerConfig layer_of(int window, int kv_heads, int head_dim, int source) {
  LayerConfig l;
  l.global = window == 0;
  l.window = window;
  l.heads = l.kv_heads = kv_heads;
  l.head_dim = head_dim;
  l.kv_source = source;
  l.bidirectional_media = window > 0;
  return l;
}

/** Two windowed layers, a full one, and two that share. */
Config small_config(int window = 6) {
  Config c;
  c.layers = {layer_of(window, 2, 3, 0), layer_of(window, 2, 3, 1), layer_of(0, 1, 5, 2), layer_of(window, 2, 3, 1),
              layer_of(0, 1, 5, 2)};
  return c;
}

KvOptions small_options(int64_t limit = 0) {
  KvOptions o;
  o.types = *cache_types_named("f32");
  o.page_size = 4;
  o.byte_limit = limit;
  return o;
}

/** A cache beside plain lists of what each sequence holds. Keys written are functions of (token, layer). */
class Checked {
 public:
  explicit Checked(const Config& model, KvOptions options) : config(model), cache(config, options, ops) {}

  SeqId create() {
    const SeqId id = cache.create();
    held[id] = {};
    return id;
  }

  Batch batch(const std::vector<std::pair<SeqId, int>>& parts) {
    Batch b;
    for (const auto& [id, rows] : parts) {
      b.segments.push_back({id, static_cast<int64_t>(b.tokens.size()), rows});
      for (int i = 0; i < rows; ++i) b.tokens.push_back(next_token++);
    }
    return b;
  }

  /** Feeds the rows and checks every key that each row sees on every layer. */
  bool step(const Batch& b) {
    if (!cache.reserve(b)) return false;
    for (const Segment& s : b.segments) {
      auto& tokens = held[s.sequence];
      tokens.insert(tokens.end(), b.tokens.begin() + s.first_row, b.tokens.begin() + s.first_row + s.rows);
    }
    for (int layer = 0; layer < static_cast<int>(config.layers.size()); ++layer) {
      AttentionPlan plan = cache.plan(layer, b);
      write(layer, plan, b);
      check(layer, plan, b);
    }
    cache.commit(b);
    return true;
  }

  bool feed(SeqId id, int rows) { return step(batch({{id, rows}})); }

  PrefixKey key(SeqId id) const { return {held.at(id), {}, 0}; }

  static float value(int32_t token, int layer) { return static_cast<float>(token * 8 + layer); }

  Config config;
  CacheOps ops;
  KvCache cache;
  std::map<SeqId, std::vector<int32_t>> held;
  int32_t next_token = 1;

 private:
  void write(int layer, AttentionPlan& plan, const Batch& b) {
    const bool owns = config.layers[static_cast<size_t>(layer)].kv_source == layer;
    ASSERT_EQ(plan.slots.size(), owns ? b.tokens.size() : 0u);
    for (size_t row = 0; row < plan.slots.size(); ++row) {
      for (int head = 0; head < plan.kv_heads; ++head) {
        plan.keys.data_mutable<float>()[at(plan, plan.slots[row] / plan.page_size, head, plan.slots[row])] =
            value(b.tokens[row], layer);
        plan.values.data_mutable<float>()[at(plan, plan.slots[row] / plan.page_size, head, plan.slots[row])] =
            -value(b.tokens[row], layer);
      }
    }
  }

  static size_t at(const AttentionPlan& plan, int64_t page, int head, int64_t slot) {
    const int64_t row = (page * plan.kv_heads + head) * plan.page_size + slot % plan.page_size;
    return static_cast<size_t>(row * plan.head_dim);
  }

  void check(int layer, const AttentionPlan& plan, const Batch& b) const {
    const int source = config.layers[static_cast<size_t>(layer)].kv_source;
    ASSERT_EQ(plan.visible.size(), b.tokens.size());
    ASSERT_EQ(plan.segments.size(), b.segments.size());
    for (size_t i = 0; i < plan.segments.size(); ++i) {
      const AttentionSegment& s = plan.segments[i];
      const auto& tokens = held.at(b.segments[i].sequence);
      for (int64_t row = s.first_row; row < s.first_row + s.rows; ++row) {
        const KeyRange keys = plan.visible[static_cast<size_t>(row)];
        ASSERT_LT(keys.begin, keys.end);
        for (int32_t key = keys.begin; key < keys.end; ++key) {
          const int32_t ordinal = key / plan.page_size - s.first_page;
          ASSERT_GE(ordinal, 0);
          ASSERT_LT(ordinal, static_cast<int32_t>(s.pages.size()));
          for (int head = 0; head < plan.kv_heads; ++head) {
            const size_t place = at(plan, s.pages[static_cast<size_t>(ordinal)], head, key);
            ASSERT_EQ(plan.keys.data<float>()[place], value(tokens[static_cast<size_t>(key)], source)) << "key " << key;
            ASSERT_EQ(plan.values.data<float>()[place], -value(tokens[static_cast<size_t>(key)], source));
          }
        }
      }
    }
  }
};

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

TEST(KvCache, PrefixesAreFoundByContent) {
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

TEST(KvCache, WindowStateIsHeldForReuse) {
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

TEST(KvCache, MediaMatchByContentAndWhole) {
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

TEST(KvCache, RememberedSequencesGiveWay) {
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
}  // namespace gemma
