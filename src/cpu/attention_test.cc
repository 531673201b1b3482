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
  DType type = DType::f32;
  int heads = 4, kv_heads = 2, head_dim = 16, page_size = 8;
  std::vector<int> lengths{50};
  int window = 0;  // 0: full
  float scale = 1.0f;
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
    pools.keys = Tensor::host(c.type, {count, c.kv_heads, c.page_size, c.head_dim});
    pools.values = Tensor::host(c.type, {count, c.kv_heads, c.page_size, c.head_dim});
    std::ranges::fill(pools.keys.raw_mutable(), std::byte{0xff});  // NaN in f32 and bf16
    std::ranges::fill(pools.values.raw_mutable(), std::byte{0xff});
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

  void write(CpuOps& ops, size_t s) {
    const int64_t length = c.lengths[s], n = int64_t{c.kv_heads} * c.head_dim;
    auto k = random_values(length * n, static_cast<int>(10 + s)),
         v = random_values(length * n, static_cast<int>(20 + s));
    AttentionPlan plan = pools;
    for (int64_t i = 0; i < length; ++i) {
      plan.slots.push_back(int64_t{pages[s][static_cast<size_t>(i / c.page_size)]} * c.page_size + i % c.page_size);
    }
    ops.write_kv(plan, Tensor::from(std::span<const float>(k), {length, n}),
                 Tensor::from(std::span<const float>(v), {length, n}));
    for (std::vector<float>* stored : {&k, &v}) {
      std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(c.type, length * n)));
      pack(c.type, *stored, bytes);
      unpack(c.type, bytes, *stored);
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
      segment.pages.assign(pages[part.sequence].begin() + segment.first_page, pages[part.sequence].end());
      plan.segments.push_back(segment);
      const Tensor rows = queries[part.sequence].slice(part.first, part.rows);
      std::memcpy(q.raw_mutable().data() + at * c.heads * c.head_dim * 4, rows.raw().data(), rows.raw().size());
      for (int i = 0; i < part.rows; ++i) plan.visible.push_back(visible(part.first + i));
      at += part.rows;
    }
    return ops.attention(q, plan);
  }

  std::vector<double> truth(size_t s, int row, int head) const {
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
      scores.push_back(score * static_cast<double>(c.scale));
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

const Case kCases[] = {
    {DType::f32, 4, 2, 16, 8, {50}, 0, 1.0f},
    {DType::f32, 3, 1, 24, 8, {37, 5}, 6, 0.25f},
    {DType::bf16, 8, 1, 32, 16, {70}, 20, 1.0f},
    {DType::f32, 2, 2, 1, 4, {150}, 0, 1.0f},  // longer than a span of 16 pages
    {DType::bf16, 6, 2, 72, 4, {140, 33, 1}, 0, 0.5f},
    {DType::f32, 64, 1, 5, 3, {60}, 0, 1.0f},  // more query heads than a tile holds
    {DType::f32, 4, 4, 20, 64, {200}, 100, 1.0f},
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

TEST_P(AttentionTest, ARowHasTheSameBitsHoweverItIsAsked) {
  for (const Case& c : kCases) {
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
  Case c{DType::f32, 2, 1, 8, 8, {30}, 10, 1.0f};
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
  Case c{DType::f32, 2, 2, 12, 4, {20}, 0, 1.0f};
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
