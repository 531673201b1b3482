// SPDX-License-Identifier: Apache-2.0
// Kernels for coded keys and values: every table that this machine has against the scalar one, to the bit; the scalar
// one against double precision with the very integers that were made; NaN, infinities, denormals.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "cpu/cache_codec.h"
#include "cpu/kernels/select.h"
#include "cpu/testing/values.h"
#include "tensor/kv_type.h"

namespace gemma::cpu {
namespace {

constexpr KvType kTypes[] = {KvType::kv8, KvType::tq4, KvType::tq3, KvType::tq2};
constexpr int64_t kDims[] = {1, 24, 64, 80, 256, 512};
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/** A page of random keys (or values) of one head, and what it holds. */
struct Page {
  std::vector<std::byte> bytes;
  std::vector<float> rows;  // [slots, dim], not rotated back

  Page(const CacheCodec& codec, int64_t slots, bool keys, int seed) {
    const int64_t dim = codec.head_dim();
    bytes.resize(static_cast<size_t>(kv_page_bytes(codec.type(), slots, dim)), std::byte{0xff});
    const auto x = normal_values(slots * dim, seed);
    std::vector<uint8_t> codes(static_cast<size_t>(codec.padded()));
    std::vector<float> work(static_cast<size_t>(dim)), scales(static_cast<size_t>(codec.groups()));
    rows.resize(x.size());
    for (int64_t slot = 0; slot < slots; ++slot) {
      codec.encode(x.data() + slot * dim, codes.data(), scales.data(), work.data());
      if (keys) {
        codec.put_key(bytes.data(), slot, codes.data(), scales.data());
        codec.get_key(bytes.data(), slot, rows.data() + slot * dim);
      } else {
        for (int64_t p = 0; p < codec.blocks(); ++p) codec.put_value(bytes.data(), slots, slot, p, codes.data());
        codec.put_value_scales(bytes.data(), slots, slot, scales.data());
        codec.get_value(bytes.data(), slots, slot, rows.data() + slot * dim);
      }
      codec.rotation().apply(rows.data() + slot * dim);
    }
  }
};

class CacheKernels : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& k_ = *GetParam();
  const Kernels& scalar_ = *kernels_named("scalar");
};

INSTANTIATE_TEST_SUITE_P(All, CacheKernels, testing::ValuesIn(all_kernels()),
                         [](const auto& test) { return test.param->name; });

TEST_P(CacheKernels, HadamardIsItsOwnInverseAndTheSameEverywhere) {
  for (int64_t n = 1; n <= 1024; n *= 2) {
    const auto x = normal_values(n, static_cast<int>(n));
    auto y = x, expected = x;
    const float factor = 1.0f / std::sqrt(static_cast<float>(n));
    k_.hadamard(y.data(), n, factor);
    scalar_.hadamard(expected.data(), n, factor);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_TRUE(same(y[static_cast<size_t>(i)], expected[static_cast<size_t>(i)])) << n << ' ' << i;
      double truth = 0;
      for (int64_t j = 0; j < n; ++j) {
        truth +=
            (__builtin_popcountll(static_cast<uint64_t>(i & j)) % 2 == 0 ? 1 : -1) * double{x[static_cast<size_t>(j)]};
      }
      ASSERT_NEAR(y[static_cast<size_t>(i)], truth * double{factor}, 1e-5) << n << ' ' << i;
    }
    k_.hadamard(y.data(), n, factor);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], x[i], 1e-5);
  }
}

struct Query {
  std::vector<int8_t> q;
  std::vector<CacheQuery> meaning;
};

Query query_of(const Kernels& k, const CacheCodec& codec, const std::vector<float>& x, int64_t rows) {
  const int64_t dim = codec.head_dim(), group = codec.group_blocks() * kBlock;
  Query out{std::vector<int8_t>(static_cast<size_t>(rows * codec.padded())),
            std::vector<CacheQuery>(static_cast<size_t>(rows * codec.groups()))};
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t g = 0; g < codec.groups(); ++g) {
      k.cache_query(x.data() + r * dim + g * group, std::min(group, dim - g * group),
                    out.q.data() + (g * codec.group_blocks() * rows + r) * kBlock, rows * kBlock,
                    &out.meaning[static_cast<size_t>(g * rows + r)]);
    }
  }
  return out;
}

TEST_P(CacheKernels, ScoresEqualTheScalarOnesAndAreThoseOfTheIntegers) {
  for (KvType type : kTypes) {
    for (int64_t dim : kDims) {
      const CacheCodec codec(type, dim, scalar_);
      const Page page(codec, 64, true, 1);
      for (int64_t rows = 1; rows <= kCacheRows; ++rows) {
        const auto x = normal_values(rows * dim, static_cast<int>(rows));
        const Query q = query_of(k_, codec, x, rows), expected_q = query_of(scalar_, codec, x, rows);
        ASSERT_EQ(q.q, expected_q.q);
        std::vector<float> y(static_cast<size_t>(rows * 64)), expected = y;
        const auto multiply = [&](const Kernels& k, std::vector<float>& out) {
          for (int64_t panel = 0; panel < 2; ++panel) {
            k.cache_scores[static_cast<size_t>(codec.kind())](
                codec.key_panel(page.bytes.data(), panel), codec.blocks(), codec.group_blocks(), codec.levels(),
                q.q.data(), q.meaning.data(), rows, true, out.data() + panel * 32, 64);
          }
        };
        multiply(k_, y);
        multiply(scalar_, expected);
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t slot = 0; slot < 64; ++slot) {
            const auto at = static_cast<size_t>(r * 64 + slot);
            ASSERT_TRUE(same(y[at], expected[at])) << name_of(type) << ' ' << dim << ' ' << rows << ' ' << at;
            double truth = 0;
            for (int64_t i = 0; i < dim; ++i) {
              const int64_t g = i / kBlock / codec.group_blocks();
              const auto scale = double{q.meaning[static_cast<size_t>(g * rows + r)].scale};
              truth += scale * q.q[static_cast<size_t>((i / kBlock * rows + r) * kBlock + i % kBlock)] *
                       double{page.rows[static_cast<size_t>(slot * dim + i)]};
            }
            ASSERT_NEAR(y[at], truth, 2e-5 * static_cast<double>(dim)) << name_of(type) << ' ' << dim;
          }
        }
      }
    }
  }
}

TEST_P(CacheKernels, SumsOfValuesEqualTheScalarOnesAndAreThoseOfTheWeights) {
  for (KvType type : kTypes) {
    for (int64_t dim : kDims) {
      const CacheCodec codec(type, dim, scalar_);
      const int64_t slots = 96;
      const Page page(codec, slots, false, 2);
      for (int64_t rows = 1; rows <= kCacheRows; ++rows) {
        std::vector<float> p = normal_values(rows * slots, static_cast<int>(rows));
        for (float& v : p) v = std::exp(3 * v - 9);
        const auto add = [&](const Kernels& k) {
          std::vector<float> sum = normal_values(rows * codec.padded(), 5);
          std::vector<int8_t> digits(static_cast<size_t>(2 * rows * slots));
          std::vector<CacheWeights> meaning(static_cast<size_t>(rows));
          for (int64_t g = 0; g < codec.groups(); ++g) {
            for (int64_t r = 0; r < rows; ++r) {
              k.cache_digits(p.data() + r * slots, codec.value_scales(page.bytes.data(), slots, g), r, slots - 3 * r,
                             slots, digits.data() + r * 64, rows * 64, &meaning[static_cast<size_t>(r)]);
              meaning[static_cast<size_t>(r)].correction = 0.25f;
            }
            const int64_t first = g * codec.group_blocks();
            for (int64_t b = first; b < std::min(first + codec.group_blocks(), codec.blocks()); ++b) {
              k.cache_values[static_cast<size_t>(codec.kind())](
                  codec.value_panel(page.bytes.data(), slots, b), slots / 32, codec.levels(), digits.data(),
                  meaning.data(), rows, true, sum.data() + b * 32, codec.padded());
            }
          }
          return sum;
        };
        const auto before = normal_values(rows * codec.padded(), 5), y = add(k_), expected = add(scalar_);
        for (size_t i = 0; i < y.size(); ++i)
          ASSERT_TRUE(same(y[i], expected[i])) << name_of(type) << ' ' << dim << ' ' << i;
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t i = 0; i < dim; ++i) {
            double truth = 0.25 * double{before[static_cast<size_t>(r * codec.padded() + i)]}, size = 0;
            for (int64_t t = r; t < slots - 3 * r; ++t) {
              const double w = double{p[static_cast<size_t>(r * slots + t)]};
              truth += w * double{page.rows[static_cast<size_t>(t * dim + i)]};
              size = std::max(size, w);
            }
            // A weight is off by half a part in 32512 of the largest.
            ASSERT_NEAR(y[static_cast<size_t>(r * codec.padded() + i)], truth, size * slots * 6e-5 + 1e-5);
          }
        }
      }
    }
  }
}

TEST_P(CacheKernels, CodesCountThresholds) {
  const float thresholds[] = {-1, -0.5f, 0, 2};
  auto x = normal_values(77, 3);
  x[5] = kNan, x[6] = kInf, x[7] = -kInf, x[8] = 1e-42f, x[9] = 2;
  std::vector<uint8_t> codes(x.size());
  k_.cache_codes(x.data(), std::ssize(x), thresholds, 4, codes.data());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(codes[i], std::ranges::count_if(thresholds, [&](float t) { return x[i] > t; })) << i;
  }
}

TEST_P(CacheKernels, WhatIsNotFiniteOrNothingIsSaid) {
  std::vector<int8_t> q(64), digits(128);
  CacheQuery query;
  CacheWeights weights;
  const std::vector<float> ones(64, 1.0f);
  for (float v : {kNan, kInf, -kInf, 0.0f, 1e-42f, 3e38f}) {
    auto x = normal_values(64, 4);
    if (v == 0.0f || v == 1e-42f) std::ranges::fill(x, v);
    x[17] = v;
    k_.cache_query(x.data(), 64, q.data(), 32, &query);
    auto p = x;
    for (float& w : p) w = std::abs(w);
    k_.cache_digits(p.data(), ones.data(), 0, 64, 64, digits.data(), 64, &weights);
    if (!std::isfinite(v)) {
      EXPECT_TRUE(std::isnan(query.scale) && std::isnan(weights.scale));
      // Outside of the range nothing matters.
      k_.cache_digits(p.data(), ones.data(), 18, 64, 64, digits.data(), 64, &weights);
      EXPECT_TRUE(std::isfinite(weights.scale));
      EXPECT_TRUE(std::ranges::all_of(digits.begin(), digits.begin() + 18, [](int8_t d) { return d == 0; }));
    } else if (std::abs(v) < 1e-40f) {
      EXPECT_EQ(query.scale, 0.0f);
      EXPECT_EQ(weights.scale, 0.0f);
      EXPECT_TRUE(std::ranges::all_of(q, [](int8_t d) { return d == 0; }));
    } else {
      EXPECT_EQ(q[17], 127);
      EXPECT_EQ(digits[17] * kDigitBase + digits[32 + 17], kMostWeight);
    }
  }
}

}  // namespace
}  // namespace gemma::cpu
