// SPDX-License-Identifier: Apache-2.0
// TurboQuant's distortion and inner products against figures found with other programs; what a page gives back is what
// was put there; rotations.
#include "cpu/cache_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "cpu/kernels/select.h"
#include "cpu/testing/values.h"

namespace gemma::cpu {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

/** What is stored of x, rotated back. */
std::vector<float> stored(const CacheCodec& codec, std::span<const float> x) {
  std::vector<std::byte> page(static_cast<size_t>(kv_page_bytes(codec.type(), 32, codec.head_dim())));
  std::vector<uint8_t> codes(static_cast<size_t>(codec.padded()));
  std::vector<float> work(x.size()), scales(static_cast<size_t>(codec.groups())), out(x.size());
  codec.encode(x.data(), codes.data(), scales.data(), work.data());
  codec.put_key(page.data(), 13, codes.data(), scales.data());
  codec.get_key(page.data(), 13, out.data());
  return out;
}

/** Unit vectors with log-normal scales of channels, and unit queries: of any direction, or aligned with their vector so
 *  that the squared cosine is one eighth. */
struct Samples {
  std::vector<std::vector<float>> vectors, queries;

  Samples(int64_t dim, float spread, bool aligned) {
    const double cosine = std::sqrt(1.0 / 8);
    constexpr int kDraws = 48, kEach = 80;
    std::mt19937 random(22);
    std::normal_distribution<float> normal;
    std::vector<float> channels(static_cast<size_t>(dim)), x = channels, q = channels;
    for (int draw = 0; draw < kDraws; ++draw) {
      for (float& c : channels) c = std::exp(spread * normal(random));
      for (int i = 0; i < kEach; ++i) {
        for (size_t j = 0; j < x.size(); ++j) x[j] = channels[j] * normal(random);
        for (float& v : q) v = normal(random);
        scale_to(x, 1);
        if (aligned) {
          add(q, -dot(q, x), x);
          scale_to(q, std::sqrt(1 - cosine * cosine));
          add(q, cosine, x);
        }
        scale_to(q, 1);
        vectors.push_back(x);
        queries.push_back(q);
      }
    }
  }
  static void scale_to(std::vector<float>& x, double length) {
    const double factor = length / std::sqrt(dot(x, x));
    for (float& v : x) v = static_cast<float>(factor * double{v});
  }
  static void add(std::vector<float>& to, double factor, const std::vector<float>& x) {
    for (size_t i = 0; i < x.size(); ++i) to[i] += static_cast<float>(factor * double{x[i]});
  }
};

struct Found {
  double distortion = 0;
  double error = 0;  // dim * mean of (query . decoded - query . vector)^2
  double slope = 0;  // of query . decoded over query . vector
};

template <class Decoded>
Found measure(const Samples& samples, const Decoded& decoded) {
  Found found;
  const auto count = static_cast<double>(samples.vectors.size());
  double products = 0, squares = 0;
  for (size_t i = 0; i < samples.vectors.size(); ++i) {
    const auto& x = samples.vectors[i];
    const auto& q = samples.queries[i];
    const std::vector<float> y = decoded(x);
    const double exact = dot(q, x), got = dot(q, y);
    for (size_t j = 0; j < x.size(); ++j) found.distortion += std::pow(double{y[j]} - double{x[j]}, 2) / count;
    found.error += static_cast<double>(x.size()) * (got - exact) * (got - exact) / count;
    products += got * exact;
    squares += exact * exact;
  }
  found.slope = products / squares;
  return found;
}

/** x by the levels themselves, without the correction of its scale: TurboQuant's first stage as it is published. */
std::vector<float> by_levels(const Rotation& rotation, const std::vector<double>& levels, std::vector<float> x) {
  rotation.apply(x.data());
  for (float& v : x) {
    size_t i = 0;
    while (i + 1 < levels.size() && double{std::abs(v)} > (levels[i] + levels[i + 1]) / 2) ++i;
    v = static_cast<float>(std::copysign(levels[i], double{v}));
  }
  rotation.undo(x.data());
  return x;
}

struct TableRow {
  int bits;
  double of_256, of_512;  // distortion
  double error, slope;    // of queries that are aligned with their key, dim 256
  double second_stage;    // the error with the paper's residual bit in place of one of the levels' bits
};
constexpr TableRow kTable[] = {{1, 0.36214, 0.36276, 4.33, 0.642, 1.47},
                               {2, 0.11674, 0.11711, 0.480, 0.892, 0.548},
                               {3, 0.03426, 0.03440, 0.064, 0.970, 0.183},
                               {4, 0.00941, 0.00945, 0.012, 0.993, 0.051}};
constexpr float kEven = 0, kChannels = 0.85f;  // the logarithm's spread: at this one all errors and slopes come out

TEST(TurboQuant, LevelsHaveTheDistortionAndInnerProductsOfTheTable) {
  const Rotation rotation(256, kernels());
  const Samples even(256, kEven, false), aligned(256, kChannels, true);
  for (const TableRow& row : kTable) {
    const auto levels = lloyd_max(row.bits, 256);
    const auto decoded = [&](const std::vector<float>& x) { return by_levels(rotation, levels, x); };
    const Found any = measure(even, decoded), along = measure(aligned, decoded);
    EXPECT_NEAR(any.distortion, row.of_256, 0.005 * row.of_256) << row.bits;
    EXPECT_NEAR(any.error, row.of_256, 0.08 * row.of_256) << row.bits;
    EXPECT_NEAR(along.error, row.error, 0.03 * row.error) << row.bits;
    EXPECT_NEAR(along.slope, row.slope, 0.002) << row.bits;
  }
}

/** Scaled so that the product of a vector with what is stored of it is right, each has less: the shrink is gone, and so
 *  is what the error has along the vector. */
TEST(TurboQuant, StoredVectorsHaveThatErrorWithoutItsShrink) {
  const std::pair<KvType, TableRow> rows[] = {
      {KvType::tq2, kTable[1]}, {KvType::tq3, kTable[2]}, {KvType::tq4, kTable[3]}};
  for (const auto& [type, row] : rows) {
    for (const int64_t dim : {int64_t{256}, int64_t{512}}) {
      const double printed = dim == 256 ? row.of_256 : row.of_512, corrected = printed / (1 - printed);
      const CacheCodec codec(type, dim, kernels());
      const auto decoded = [&](const std::vector<float>& x) { return stored(codec, x); };
      const Samples even(dim, kEven, false);
      for (size_t i = 0; i < 20; ++i) EXPECT_NEAR(dot(even.vectors[i], decoded(even.vectors[i])), 1, 1e-6);
      const Found any = measure(even, decoded);
      EXPECT_LT(any.distortion, 1.003 * corrected) << name_of(type) << ' ' << dim;
      EXPECT_GT(any.distortion, 0.985 * corrected) << name_of(type) << ' ' << dim;
      EXPECT_NEAR(any.error, corrected, 0.08 * corrected) << name_of(type) << ' ' << dim;
      const Found along = measure(Samples(dim, kChannels, true), decoded);
      EXPECT_NEAR(along.slope, 1, 4e-3) << name_of(type) << ' ' << dim;
      EXPECT_LT(along.error, corrected) << name_of(type) << ' ' << dim;
      EXPECT_LT(along.error, row.second_stage / 4) << name_of(type) << ' ' << dim;
    }
  }
}

TEST(CacheCodec, GivesBackWhatWasPutAnywhereInAPage) {
  for (KvType type : {KvType::kv8, KvType::tq4, KvType::tq3, KvType::tq2}) {
    for (int64_t dim : {1, 5, 24, 80, 96, 256, 512}) {
      const CacheCodec codec(type, dim, kernels());
      const int64_t slots = 64;
      std::vector<std::byte> keys(static_cast<size_t>(kv_page_bytes(type, slots, dim)), std::byte{0xa5}), values = keys;
      const auto x = normal_values(slots * dim, 6);
      std::vector<uint8_t> codes(static_cast<size_t>(codec.padded()));
      std::vector<float> work(static_cast<size_t>(dim)), scales(static_cast<size_t>(codec.groups())), key(work),
          value(work);
      std::vector<std::vector<float>> alone;
      for (int64_t slot = 0; slot < slots; ++slot) {  // every slot twice: what was there before does not shine through
        const std::span row(x.data() + slot * dim, static_cast<size_t>(dim));
        alone.push_back(stored(codec, row));
        for (const float* from : {x.data(), row.data()}) {
          codec.encode(from, codes.data(), scales.data(), work.data());
          codec.put_key(keys.data(), slot, codes.data(), scales.data());
          codec.put_value_scales(values.data(), slots, slot, scales.data());
          for (int64_t p = 0; p < codec.blocks(); ++p) codec.put_value(values.data(), slots, slot, p, codes.data());
        }
      }
      for (int64_t slot = 0; slot < slots; ++slot) {
        codec.get_key(keys.data(), slot, key.data());
        codec.get_value(values.data(), slots, slot, value.data());
        ASSERT_EQ(key, alone[static_cast<size_t>(slot)]) << name_of(type) << ' ' << dim << ' ' << slot;
        ASSERT_EQ(value, key) << name_of(type) << ' ' << dim << ' ' << slot;
      }
      if (type == KvType::kv8) {
        for (int64_t i = 0; i < dim; ++i) EXPECT_NEAR(alone[0][static_cast<size_t>(i)], x[static_cast<size_t>(i)], 0.1);
      }
    }
  }
}

TEST(CacheCodec, NaNAndNothing) {
  for (KvType type : {KvType::kv8, KvType::tq4, KvType::tq2}) {
    const CacheCodec codec(type, 80, kernels());
    for (float v : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38f}) {
      auto x = normal_values(80, 7);
      x[3] = x[70] = v;
      const auto y = stored(codec, x);
      EXPECT_TRUE(std::isfinite(v) || std::isnan(y[0])) << name_of(type);
    }
    for (float v : {0.0f, 1e-42f}) {
      for (float y : stored(codec, std::vector<float>(80, v))) EXPECT_EQ(y, 0.0f) << name_of(type);
    }
  }
}

TEST(Rotation, KeepsLengthsAndComesBack) {
  for (int64_t dim : {1, 2, 3, 5, 31, 80, 96, 256, 320, 512}) {
    const Rotation rotation(dim, kernels());
    // A single value is spread over all places that its transforms reach.
    std::vector<float> x(static_cast<size_t>(dim)), y;
    for (int64_t i = 0; i < dim; ++i) {
      std::ranges::fill(x, 0.0f);
      x[static_cast<size_t>(i)] = 3;
      y = x;
      rotation.apply(y.data());
      EXPECT_NEAR(dot(y, y), 9, 1e-4) << dim;
      if (dim >= 80) {
        for (float v : y) EXPECT_LT(std::abs(v), 1.5f) << dim << ' ' << i;
      }
      rotation.undo(y.data());
      for (size_t j = 0; j < x.size(); ++j) EXPECT_NEAR(y[j], x[j], 1e-5);
    }
  }
}

}  // namespace
}  // namespace gemma::cpu
