// SPDX-License-Identifier: Apache-2.0
// Attention over pages against a softmax over all visible keys in double precision, and the promise that a row's bits
// do not depend on its tile, its chunk, the batch or the threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/cache_codec.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/select.h"
#include "tensor/attention_plan.h"
#include "tensor/pack.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

std::vector<float> random_values(int64_t n, int seed, float spread = 1.0f) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = normal(random);
  return values;
}

/** Sequences with their keys and values in scattered pages of a pool that is NaN everywhere else. */
struct Case {
  KvTypes types;
  int heads = 4, kv_heads = 2, head_dim = 16, page_size = 8;
  std::vector<int> lengths{50};
  int window = 0;  // 0: full
  float scale = 1.0f;
  bool k_is_v = false;
};

struct Cached {
  Case c;
  AttentionPlan pools;  // without rows
  std::vector<std::vector<int32_t>> pages;
  std::vector<std::vector<float>> keys, values;  // [length, kv_heads, head_dim] as stored
  std::vector<Tensor> queries;                   // [length, heads * head_dim] of each sequence

  Cached(const Case& config, CpuOps& ops) : c(config) {
    int32_t count = 3;
    for (int length : c.lengths) count += (length + c.page_size - 1) / c.page_size;
    std::vector<int32_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    std::mt19937 random(7);
    std::ranges::shuffle(order, random);
    pools.types = c.types;
    pools.keys = pool(c.types.keys, count);
    pools.values = pool(c.types.values, count);
    pools.page_size = c.page_size;
    pools.kv_heads = c.kv_heads;
    pools.head_dim = c.head_dim;
    pools.scale = c.scale;
    auto next = order.begin();
    for (size_t s = 0; s < c.lengths.size(); ++s) {
      const int length = c.lengths[s], used = (length + c.page_size - 1) / c.page_size;
      pages.emplace_back(next, next + used);
      next += used;
      write(ops, s);
      queries.push_back(Tensor::from(
          std::span<const float>(random_values(int64_t{length} * c.heads * c.head_dim, static_cast<int>(30 + s), 0.7f)),
          {length, int64_t{c.heads} * c.head_dim}));
    }
  }

  Tensor pool(KvType type, int32_t count) const {
    const int64_t bytes = kv_page_bytes(type, c.page_size, c.head_dim);
    Tensor t = is_coded(type) ? Tensor::host(DType::u8, {count, c.kv_heads, bytes})
                              : Tensor::host(type == KvType::f32 ? DType::f32 : DType::bf16,
                                             {count, c.kv_heads, c.page_size, c.head_dim});
    std::ranges::fill(t.raw_mutable(), std::byte{0xff});  // NaN in f32 and bf16
    return t;
  }

  /** What a pool holds of the token at `slot`. */
  void stored(const Tensor& pool, KvType type, bool key, int64_t slot, std::span<float> out) const {
    const int64_t bytes = kv_page_bytes(type, c.page_size, c.head_dim), dim = c.head_dim;
    for (int64_t h = 0; h < c.kv_heads; ++h) {
      const std::byte* page = pool.raw().data() + (slot / c.page_size * c.kv_heads + h) * bytes;
      const std::span<float> head = out.subspan(static_cast<size_t>(h * dim), static_cast<size_t>(dim));
      if (!is_coded(type)) {
        const DType plain = pool.dtype();
        const int64_t row = bytes_of(plain, dim);
        unpack(plain, {page + slot % c.page_size * row, static_cast<size_t>(row)}, head);
        continue;
      }
      static CacheCodecs codecs(*kernels_named("scalar"));
      const CacheCodec* codec = codecs.get(type, dim);
      if (key) {
        codec->get_key(page, slot % c.page_size, head.data());
      } else {
        codec->get_value(page, c.page_size, slot % c.page_size, head.data());
      }
    }
  }

  void write(CpuOps& ops, size_t s) {
    const int64_t length = c.lengths[s], n = int64_t{c.kv_heads} * c.head_dim;
    auto k = random_values(length * n, static_cast<int>(10 + s)),
         v = c.k_is_v ? k : random_values(length * n, static_cast<int>(20 + s));
    AttentionPlan plan = pools;
    for (int64_t i = 0; i < length; ++i) {
      plan.slots.push_back(int64_t{pages[s][static_cast<size_t>(i / c.page_size)]} * c.page_size + i % c.page_size);
    }
    ops.write_kv(plan, Tensor::from(std::span<const float>(k), {length, n}),
                 Tensor::from(std::span<const float>(v), {length, n}));
    for (int64_t i = 0; i < length; ++i) {
      const int64_t slot = plan.slots[static_cast<size_t>(i)];
      const auto row = [&](std::vector<float>& all) {
        return std::span(all).subspan(static_cast<size_t>(i * n), static_cast<size_t>(n));
      };
      stored(pools.keys, c.types.keys, true, slot, row(k));
      stored(pools.values, c.types.values, false, slot, row(v));
    }
    keys.push_back(k);
    values.push_back(v);
  }

  KeyRange visible(int row) const { return {c.window > 0 ? std::max(0, row - c.window + 1) : 0, row + 1}; }

  struct Part {
    size_t sequence;
    int first, rows;
  };

  /** The rows of some parts in one call; pages that nobody in a part sees are left out, as after a window moved on. */
  Tensor run(CpuOps& ops, const std::vector<Part>& parts) const {
    AttentionPlan plan = pools;
    int64_t total = 0;
    for (const Part& part : parts) total += part.rows;
    Tensor q = Tensor::host(DType::f32, {total, int64_t{c.heads} * c.head_dim});
    int64_t at = 0;
    for (const Part& part : parts) {
      AttentionSegment segment;
      segment.first_row = at;
      segment.rows = part.rows;
      segment.first_page = visible(part.first).begin / c.page_size;
      segment.pages = std::span(pages[part.sequence]).subspan(static_cast<size_t>(segment.first_page));
      plan.segments.push_back(segment);
      const Tensor rows = queries[part.sequence].slice(part.first, part.rows);
      std::memcpy(q.raw_mutable().data() + at * c.heads * c.head_dim * 4, rows.raw().data(), rows.raw().size());
      for (int i = 0; i < part.rows; ++i) plan.visible.push_back(visible(part.first + i));
      at += part.rows;
    }
    return ops.attention(q, plan);
  }

  std::vector<double> truth(size_t s, int row, int head) const { return truth(s, row, head, c.scale); }

  std::vector<double> truth(size_t s, int row, int head, float scale) const {
    const int kv = head / (c.heads / c.kv_heads);
    const float* q = queries[s].data<float>().data() + (int64_t{row} * c.heads + head) * c.head_dim;
    const auto vector = [&](const std::vector<float>& all, int j) {
      return all.data() + (int64_t{j} * c.kv_heads + kv) * c.head_dim;
    };
    std::vector<double> scores, y(static_cast<size_t>(c.head_dim));
    const KeyRange range = visible(row);
    for (int j = range.begin; j < range.end; ++j) {
      double score = 0;
      for (int i = 0; i < c.head_dim; ++i) score += static_cast<double>(q[i]) * vector(keys[s], j)[i];
      scores.push_back(score * static_cast<double>(scale));
    }
    const double max = *std::ranges::max_element(scores);
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - max);
    for (int j = range.begin; j < range.end; ++j) {
      for (int i = 0; i < c.head_dim; ++i) {
        y[static_cast<size_t>(i)] += scores[static_cast<size_t>(j - range.begin)] / sum * vector(values[s], j)[i];
      }
    }
    return y;
  }
};

constexpr KvTypes kF32{KvType::f32, KvType::f32}, kBf16{KvType::bf16, KvType::bf16};

const Case kCases[] = {
    {kF32, 4, 2, 16, 8, {50}, 0, 1.0f},
    {kF32, 3, 1, 24, 8, {37, 5}, 6, 0.25f},
    {kBf16, 8, 1, 32, 16, {70}, 20, 1.0f},
    {kF32, 2, 2, 1, 4, {150}, 0, 1.0f},  // longer than a span of 16 pages
    {kBf16, 6, 2, 72, 4, {140, 33, 1}, 0, 0.5f},
    {kF32, 64, 1, 5, 3, {60}, 0, 1.0f},  // more query heads than a tile holds
    {kF32, 4, 4, 20, 64, {200}, 100, 1.0f},
};

/** Coded keys and values: queries lose bits as well. */
const Case kCodedCases[] = {
    {{KvType::kv8, KvType::kv8}, 8, 1, 256, 64, {150}, 0, 0.1f},
    {{KvType::tq4, KvType::tq4}, 4, 1, 512, 64, {90}, 0, 0.08f},
    {{KvType::tq3, KvType::tq4}, 6, 2, 80, 32, {70, 33, 1}, 40, 0.15f},
    {{KvType::tq2, KvType::kv8}, 3, 3, 24, 96, {200}, 0, 0.3f},
    {{KvType::bf16, KvType::tq3}, 2, 1, 256, 32, {600, 40}, 0, 0.1f},  // longer than a span
    {{KvType::kv8, KvType::f32}, 20, 1, 5, 32, {70}, 9, 0.5f},         // more query heads than a kernel takes
    {{KvType::f32, KvType::tq2}, 64, 1, 96, 32, {40}, 0, 0.1f},
};

class AttentionTest : public testing::TestWithParam<const Kernels*> {
 protected:
  ThreadPool threads_{2};
  CpuOps ops_{threads_, *GetParam()};
};

INSTANTIATE_TEST_SUITE_P(All, AttentionTest, testing::ValuesIn(all_kernels()),
                         [](const auto& test) { return test.param->name; });

TEST_P(AttentionTest, IsTheSoftmaxOverVisibleKeys) {
  for (const Case& c : kCases) {
    const Cached cached(c, ops_);
    for (size_t s = 0; s < c.lengths.size(); ++s) {
      const Tensor y = cached.run(ops_, {{s, 0, c.lengths[s]}});
      const float* result = y.data<float>().data();
      for (int row = 0; row < c.lengths[s]; ++row) {
        for (int head = 0; head < c.heads; ++head) {
          const auto truth = cached.truth(s, row, head);
          for (int i = 0; i < c.head_dim; ++i) {
            ASSERT_NEAR(result[(row * c.heads + head) * c.head_dim + i], truth[static_cast<size_t>(i)], 5e-6)
                << "heads " << c.heads << " dim " << c.head_dim << " row " << row << " head " << head;
          }
        }
      }
    }
  }
}

/** In double precision with what is stored; what it costs to have stored it is in WhatATypeCosts. */
TEST_P(AttentionTest, OfCodedKeysAndValuesIsTheSoftmaxOfWhatIsStored) {
  for (const Case& c : kCodedCases) {
    const Cached cached(c, ops_);
    double square = 0, count = 0;
    for (size_t s = 0; s < c.lengths.size(); ++s) {
      const Tensor y = cached.run(ops_, {{s, 0, c.lengths[s]}});
      const float* result = y.data<float>().data();
      for (int row = 0; row < c.lengths[s]; row += 1 + c.lengths[s] / 20) {
        for (int head = 0; head < c.heads; ++head) {
          const auto truth = cached.truth(s, row, head);
          for (int i = 0; i < c.head_dim; ++i) {
            const double off = double{result[(row * c.heads + head) * c.head_dim + i]} - truth[static_cast<size_t>(i)];
            ASSERT_LT(std::abs(off), 0.04) << name_of(c.types.keys) << " dim " << c.head_dim << " row " << row;
            square += off * off;
            count += 1;
          }
        }
      }
    }
    EXPECT_LT(std::sqrt(square / count), is_coded(c.types.keys) ? 0.004 : 4e-5) << name_of(c.types.keys) << c.head_dim;
  }
}

/** Root mean square error of outputs over their size, against double precision with keys and values as they came. */
double cost(CpuOps& ops, const Cached& exact, Cached& cached, float scale) {
  const Case& c = exact.c;
  const int last = c.lengths[0] - 1;
  cached.pools.scale = scale;
  const Tensor y = cached.run(ops, {{0, last, 1}});
  double square = 0, size = 0;
  for (int head = 0; head < c.heads; ++head) {
    const auto truth = exact.truth(0, last, head, scale);
    const auto result = y.data<float>().subspan(static_cast<size_t>(head * c.head_dim));
    for (size_t i = 0; i < truth.size(); ++i) {
      square += (double{result[i]} - truth[i]) * (double{result[i]} - truth[i]);
      size += truth[i] * truth[i];
    }
  }
  return std::sqrt(square / size);
}

struct Costs {
  KvType type;
  double even[3], sharp[3];  // head size 256, 512, and 512 where values are the keys
};
constexpr Costs kCosts[] = {
    {KvType::f32, {0, 0, 0}, {0, 0, 0}},
    {KvType::bf16, {0.0019, 0.0018, 0.0019}, {0.0040, 0.0032, 0.0032}},
    {KvType::kv8, {0.0082, 0.0076, 0.0074}, {0.0216, 0.0131, 0.0128}},
    {KvType::tq4, {0.121, 0.112, 0.106}, {0.210, 0.166, 0.164}},
    {KvType::tq3, {0.220, 0.204, 0.204}, {0.493, 0.297, 0.295}},
    {KvType::tq2, {0.451, 0.416, 0.402}, {0.723, 0.706, 0.675}},
};

/** Where attention is spread over all keys (scores of a standard deviation of 0.6), and where few decide (2.2). */
TEST_P(AttentionTest, WhatATypeCosts) {
  for (const size_t shape : {0, 1, 2}) {
    const int dim = shape == 0 ? 256 : 512;
    Case c{kF32, 8, 1, dim, 64, {192}, 0, 1.0f, shape == 2};
    const Cached exact(c, ops_);
    const float root = std::sqrt(static_cast<float>(dim));
    for (const Costs& costs : kCosts) {
      c.types = {costs.type, costs.type};
      Cached cached(c, ops_);
      EXPECT_NEAR(cost(ops_, exact, cached, 0.8f / root), costs.even[shape], 0.05 * costs.even[shape] + 1e-6)
          << name_of(costs.type) << ' ' << shape;
      EXPECT_NEAR(cost(ops_, exact, cached, 3.2f / root), costs.sharp[shape], 0.05 * costs.sharp[shape] + 1e-6)
          << name_of(costs.type) << ' ' << shape;
    }
  }
}

/** What keys are divided by, queries are multiplied by. */
TEST_P(AttentionTest, BalancedKeysGiveTheSameScores) {
  Case c = kCodedCases[0];
  std::vector<float> balance(256);
  for (size_t i = 0; i < balance.size(); ++i) balance[i] = i % 3 == 0 ? 4.0f : i % 3 == 1 ? 1.0f : 0.25f;
  const Cached plain(c, ops_);
  Cached balanced(c, ops_);
  balanced.pools.key_balance = balance;
  balanced.write(ops_, 0);
  const Tensor y = balanced.run(ops_, {{0, 149, 1}});
  for (int head = 0; head < c.heads; ++head) {
    const auto truth = plain.truth(0, 149, head);
    for (int i = 0; i < c.head_dim; ++i) {
      ASSERT_NEAR(y.data<float>()[static_cast<size_t>(head * c.head_dim + i)], truth[static_cast<size_t>(i)], 0.08);
    }
  }
}

/** Tokens that are NaN, or slots that were never written (the pool is NaN there), reach only who sees them. */
TEST_P(AttentionTest, WhatIsNotVisibleDoesNotMatterInCodedPages) {
  for (KvType type : {KvType::kv8, KvType::tq4, KvType::tq3, KvType::tq2}) {
    Cached cached({{type, type}, 2, 1, 40, 32, {50}, 10, 0.2f}, ops_);
    const Tensor before = cached.run(ops_, {{0, 12, 38}});
    for (const float y : before.data<float>()) ASSERT_TRUE(std::isfinite(y)) << name_of(type);
    AttentionPlan plan = cached.pools;
    const int unseen[] = {0, 2, 49};  // by rows 12 and later: only the last by the last row
    for (int token : unseen)
      plan.slots.push_back(int64_t{cached.pages[0][static_cast<size_t>(token / 32)]} * 32 + token % 32);
    const std::vector<float> nan(3 * 40, std::numeric_limits<float>::quiet_NaN());
    const Tensor rows = Tensor::from(std::span<const float>(nan), {3, 40});
    ops_.write_kv(plan, rows, rows);
    const Tensor after = cached.run(ops_, {{0, 12, 38}});
    for (size_t i = 0; i < 37 * 80; ++i)
      ASSERT_EQ(before.data<float>()[i], after.data<float>()[i]) << name_of(type) << i;
    for (const float y : after.slice(37, 1).data<float>()) EXPECT_TRUE(std::isnan(y)) << name_of(type);
  }
}

TEST_P(AttentionTest, ARowHasTheSameBitsHoweverItIsAsked) {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.insert(cases.end(), std::begin(kCodedCases), std::end(kCodedCases));
  for (const Case& c : cases) {
    const Cached cached(c, ops_);
    std::vector<Cached::Part> all, mixed;
    for (size_t s = 0; s < c.lengths.size(); ++s) {
      all.push_back({s, 0, c.lengths[s]});
      mixed.push_back({s, c.lengths[s] / 3, c.lengths[s] - c.lengths[s] / 3});
    }
    const Tensor whole = cached.run(ops_, all), later = cached.run(ops_, mixed);
    int64_t first = 0, at = 0;
    for (size_t s = 0; s < c.lengths.size(); ++s) {
      const int length = c.lengths[s], skip = length / 3;
      EXPECT_EQ(std::memcmp(whole.slice(first + skip, length - skip).raw().data(),
                            later.slice(at, length - skip).raw().data(), later.slice(at, length - skip).raw().size()),
                0);
      for (int row = 0; row < length; row += 1 + length / 11) {
        for (int threads = 1; threads <= 4; ++threads) {
          ThreadPool pool(threads);
          CpuOps ops(pool, *GetParam());
          const Tensor alone = cached.run(ops, {{s, row, 1}}), expected = whole.slice(first + row, 1);
          ASSERT_EQ(std::memcmp(alone.raw().data(), expected.raw().data(), expected.raw().size()), 0)
              << "dim " << c.head_dim << " row " << row << " threads " << threads;
        }
      }
      first += length;
      at += length - skip;
    }
  }
}

/** Nothing that a row does not see may reach it, not even by a product with zero. */
TEST_P(AttentionTest, WhatIsNotVisibleDoesNotMatter) {
  Case c{kF32, 2, 1, 8, 8, {30}, 10, 1.0f};
  Cached cached(c, ops_);
  const Tensor before = cached.run(ops_, {{0, 12, 18}});
  Tensor keys = cached.pools.keys, values = cached.pools.values;
  for (int slot : {0, 1, 2}) {  // keys 0..2 are outside of the windows of rows 12 and later
    const int64_t at = (int64_t{cached.pages[0][0]} * 8 + slot) * 8;
    for (int64_t i = at; i < at + 8; ++i) {
      keys.data_mutable<float>()[static_cast<size_t>(i)] = std::numeric_limits<float>::quiet_NaN();
      values.data_mutable<float>()[static_cast<size_t>(i)] = std::numeric_limits<float>::infinity();
    }
  }
  const Tensor after = cached.run(ops_, {{0, 12, 18}});
  EXPECT_EQ(std::memcmp(before.raw().data(), after.raw().data(), before.raw().size()), 0);
  // Key 29 is seen by the last row alone, which shares its tile with the others.
  values.data_mutable<float>()[static_cast<size_t>((int64_t{cached.pages[0][3]} * 8 + 5) * 8)] =
      std::numeric_limits<float>::quiet_NaN();
  const Tensor last = cached.run(ops_, {{0, 12, 18}});
  EXPECT_EQ(std::memcmp(before.raw().data(), last.raw().data(), before.slice(0, 17).raw().size()), 0);
  EXPECT_TRUE(std::isnan(last.slice(17, 1).data<float>()[0]));
}

/** A block of rows that see each other, beyond their own index. */
TEST_P(AttentionTest, SpansMayLookForward) {
  Case c{kF32, 2, 2, 12, 4, {20}, 0, 1.0f};
  const Cached cached(c, ops_);
  AttentionPlan plan = cached.pools;
  plan.segments.push_back({0, 20, cached.pages[0], 0});
  for (int i = 0; i < 20; ++i) plan.visible.push_back(i >= 5 && i < 12 ? KeyRange{2, 12} : KeyRange{0, i + 1});
  const Tensor y = ops_.attention(cached.queries[0], plan);
  AttentionPlan one = cached.pools;
  one.segments.push_back({0, 1, cached.pages[0], 0});
  one.visible.push_back({2, 12});
  const Tensor alone = ops_.attention(cached.queries[0].slice(6, 1), one);
  EXPECT_EQ(std::memcmp(y.slice(6, 1).raw().data(), alone.raw().data(), alone.raw().size()), 0);
}

}  // namespace
}  // namespace gemma::cpu
