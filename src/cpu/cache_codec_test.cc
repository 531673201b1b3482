// SPDX-License-Identifier: Apache-2.0
// TurboQuant's distortion and inner products against published and computed figures; what a page gives back is what was
// put there; rotations.
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

TEST(LloydMax, HasThePublishedLevels) {
  const std::vector<std::vector<double>> levels{{0.7987},
                                                {0.4527, 1.5078},
                                                {0.2447, 0.7546, 1.3401, 2.1416},
                                                {0.1281, 0.3870, 0.6548, 0.9393, 1.2515, 1.6107, 2.0570, 2.7102}};
  for (int bits = 1; bits <= 4; ++bits) {
    const auto found = lloyd_max(bits, 256);
    ASSERT_EQ(found.size(), levels[static_cast<size_t>(bits - 1)].size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i] * 16, levels[static_cast<size_t>(bits - 1)][i], 6e-4) << bits << ' ' << i;
    }
  }
}

TEST(LloydMax, BytesAreNearTheLevelsAndSymmetric) {
  for (int bits = 2; bits <= 4; ++bits) {
    const LevelBytes bytes = level_bytes(bits, 512);
    const auto levels = lloyd_max(bits, 512);
    const size_t n = size_t{1} << bits;
    for (size_t i = 0; i < n; ++i) {
      EXPECT_EQ(bytes.bytes[i] + bytes.bytes[n - 1 - i], 256);
      if (i < n / 2) continue;
      EXPECT_NEAR(bytes.unit * (bytes.bytes[i] - 128), levels[i - n / 2], 0.51 * bytes.unit);
    }
  }
}

/** Mean squared error of unit vectors, decoded without the correction of the scale. */
double distortion(const CacheCodec& codec, std::span<const float> x) {
  const LevelBytes levels = level_bytes(kv_bits(codec.type()), codec.head_dim());
  std::vector<float> rotated(x.begin(), x.end()), work(x.size()), scales(1);
  std::vector<uint8_t> codes(static_cast<size_t>(codec.padded()));
  codec.rotation().apply(rotated.data());
  codec.encode(x.data(), codes.data(), scales.data(), work.data());
  const double norm = std::sqrt(dot(x, x));
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double off = double{rotated[i]} / norm - levels.unit * (levels.bytes[codes[i]] - 128);
    sum += off * off;
  }
  return sum;
}

struct TableRow {
  KvType type;
  int64_t dim;
  double distortion;
};
constexpr TableRow kTable[] = {{KvType::tq2, 256, 0.11674}, {KvType::tq2, 512, 0.11711}, {KvType::tq3, 256, 0.03426},
                               {KvType::tq3, 512, 0.03440}, {KvType::tq4, 256, 0.00941}, {KvType::tq4, 512, 0.00945}};

TEST(TurboQuant, DistortionAndInnerProductsAreThoseOfTheTable) {
  for (const TableRow& row : kTable) {
    const CacheCodec codec(row.type, row.dim, kernels());
    const auto channels = normal_values(row.dim, 99);  // log-normal scales of channels
    double found = 0, slope = 0, error = 0;
    const int count = 600;
    for (int i = 0; i < count; ++i) {
      auto x = normal_values(row.dim, i);
      for (size_t j = 0; j < x.size(); ++j) x[j] *= std::exp(0.5f * channels[j]);
      found += distortion(codec, x) / count;
      const auto y = stored(codec, x), q = normal_values(row.dim, 10000 + i);
      slope += dot(x, y) / dot(x, x) / count;
      const double off = dot(q, y) - dot(q, x);
      error += off * off / (dot(q, q) * dot(x, x)) * static_cast<double>(row.dim) / count;
    }
    EXPECT_NEAR(found, row.distortion, 0.02 * row.distortion) << name_of(row.type) << ' ' << row.dim;
    EXPECT_NEAR(slope, 1.0, 1e-6) << name_of(row.type);  // the shrink is undone vector by vector
    EXPECT_NEAR(error, row.distortion / (1 - row.distortion), 0.2 * row.distortion) << name_of(row.type) << row.dim;
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
