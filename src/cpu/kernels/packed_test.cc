// SPDX-License-Identifier: Apache-2.0
// Products with packed weights: every table that this machine has against the scalar one, to the bit; the scalar one
// against double precision with the very activations that quantization left; any tile, NaN, infinities, denormals.
#include "cpu/kernels/packed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cpu/kernels/select.h"
#include "cpu/packed_weights.h"
#include "cpu/testing/values.h"
#include "tensor/half.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

constexpr DType kTypes[] = {DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,   DType::q2_k,
                            DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs};
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/** Rows of random blocks whose values are finite. */
std::vector<std::byte> random_rows(DType type, int64_t values, int seed) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(type, values)));
  const int size = info(type).bytes;
  std::vector<float> block(static_cast<size_t>(info(type).block));
  for (size_t i = 0; i < bytes.size(); i += static_cast<size_t>(size)) {
    const std::span some(bytes.data() + i, static_cast<size_t>(size));
    do {
      for (std::byte& b : some) b = static_cast<std::byte>(random());
      if (is_quantized(type)) unpack(type, some, block);
      if (!is_quantized(type)) unpack(type, some, std::span(block).first(1));
    } while (!std::ranges::all_of(block, [](float v) { return std::abs(v) < 1e9f; }));
  }
  return bytes;
}

/** Rows of one block whose codes are as large as they can be. */
std::vector<std::byte> extreme_rows(DType type, int64_t values) {
  std::vector<std::byte> bytes = random_rows(type, values, 5);
  const std::span block(bytes.data(), static_cast<size_t>(info(type).bytes));
  std::vector<float> meant(static_cast<size_t>(info(type).block));
  for (std::byte& b : block) {
    const std::byte before = std::exchange(b, std::byte{0xff});
    unpack(type, block, meant);
    if (!std::ranges::all_of(meant, [](float v) { return std::abs(v) < 1e9f; })) b = before;  // of a scale
  }
  for (size_t i = block.size(); i < bytes.size(); ++i) bytes[i] = bytes[i - block.size()];
  return bytes;
}

std::vector<float> random_activations(int64_t n, int seed) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = normal(random) * std::exp2(static_cast<float>(static_cast<int>(random() % 9) - 4));
  return x;
}

std::vector<std::byte> packed(DType type, std::span<const std::byte> rows, int64_t height, int64_t n) {
  std::vector<std::byte> panel(static_cast<size_t>(panel_bytes(type, n)));
  pack_panel(type, rows, height, n, panel);
  return panel;
}

std::vector<ActivationBlock> quantized(const Kernels& k, std::span<const float> x, int64_t n) {
  const auto rows = static_cast<int64_t>(x.size()) / n;
  std::vector<ActivationBlock> blocks(x.size() / kBlock);
  for (int64_t r = 0; r < rows; ++r) k.quantize(x.data() + r * n, n, blocks.data() + r, rows);
  return blocks;
}

/** The same as a tile for products of this table. */
std::vector<ActivationBlock> arranged(const Kernels& k, std::vector<ActivationBlock> x, int64_t rows) {
  k.arrange(x.data(), rows, std::ssize(x) / rows);
  return x;
}

class PackedTable : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& k_ = *GetParam();
  const Kernels& scalar_ = *kernels_named("scalar");
};

INSTANTIATE_TEST_SUITE_P(All, PackedTable, testing::ValuesIn(all_kernels()),
                         [](const auto& test) { return test.param->name; });

TEST_P(PackedTable, ProductsEqualTheScalarOnesToTheBitInEveryTile) {
  for (DType type : kTypes) {
    const int64_t n = 3 * 256;
    const auto panel = packed(type, random_rows(type, n * kPanelRows, 1), kPanelRows, n);
    for (int64_t rows = 1; rows <= kTileRows; ++rows) {
      const auto x = quantized(k_, random_activations(n * rows, static_cast<int>(rows)), n);
      const auto tile = arranged(k_, x, rows);
      const int64_t stride = 37;
      std::vector<float> y(static_cast<size_t>(rows * stride), 7.0f), expected = y;
      k_.packed_product[static_cast<size_t>(type)](panel.data(), n / kBlock, tile.data(), rows, rows % 2 == 0, y.data(),
                                                   stride);
      scalar_.packed_product[static_cast<size_t>(type)](panel.data(), n / kBlock, x.data(), rows, false,
                                                        expected.data(), stride);
      for (size_t i = 0; i < y.size(); ++i) {
        ASSERT_TRUE(same(y[i], expected[i]))
            << info(type).name << ' ' << rows << ' ' << i << ": " << y[i] << ' ' << expected[i];
      }
    }
  }
}

TEST_P(PackedTable, ProductsWithWidenedPanelsAreTheSameToTheBit) {
  for (DType type : kTypes) {
    const int64_t n = 2 * 256;
    const auto t = static_cast<size_t>(type);
    const auto panel = packed(type, random_rows(type, n * kPanelRows, 11), kPanelRows, n);
    std::vector<std::byte> wide(static_cast<size_t>(n / kBlock * kWideBytes));
    k_.widen[t](panel.data(), n / kBlock, wide.data());
    for (int64_t rows = 1; rows <= kTileRows; ++rows) {
      auto values = random_activations(n * rows, static_cast<int>(rows));
      if (rows > 6) values[static_cast<size_t>(n + 3)] = kNan;
      const auto tile = arranged(k_, quantized(k_, values, n), rows);
      const int64_t stride = 33;
      std::vector<float> y(static_cast<size_t>(rows * stride), 7.0f), expected = y;
      k_.wide_product[t](wide.data(), n / kBlock, tile.data(), rows, y.data(), stride);
      k_.packed_product[t](panel.data(), n / kBlock, tile.data(), rows, false, expected.data(), stride);
      for (size_t i = 0; i < y.size(); ++i) ASSERT_TRUE(same(y[i], expected[i])) << info(type).name << rows << ' ' << i;
    }
  }
}

TEST_P(PackedTable, SumsOfTheLargestCodesAndActivationsDoNotOverflow) {
  for (DType type : kTypes) {
    const auto t = static_cast<size_t>(type);
    const int64_t n = 256, rows = 6, tile = rows * n / kBlock;
    const auto panel = packed(type, extreme_rows(type, n * kPanelRows), kPanelRows, n);
    std::vector<std::byte> wide(static_cast<size_t>(n / kBlock * kWideBytes));
    k_.widen[t](panel.data(), n / kBlock, wide.data());
    for (const float sign : {1.0f, -1.0f}) {
      const auto x = quantized(scalar_, std::vector<float>(static_cast<size_t>(n * rows), sign), n);
      ASSERT_EQ(x[static_cast<size_t>(tile - 1)].q[31], 127 * static_cast<int>(sign));
      const auto mixed = arranged(k_, x, rows);
      std::vector<float> expected(static_cast<size_t>(rows * kPanelRows)), y = expected, from_wide = expected;
      scalar_.packed_product[t](panel.data(), n / kBlock, x.data(), rows, false, expected.data(), kPanelRows);
      k_.packed_product[t](panel.data(), n / kBlock, mixed.data(), rows, false, y.data(), kPanelRows);
      k_.wide_product[t](wide.data(), n / kBlock, mixed.data(), rows, from_wide.data(), kPanelRows);
      EXPECT_EQ(y, expected) << info(type).name;
      EXPECT_EQ(from_wide, expected) << info(type).name;
    }
  }
}

TEST_P(PackedTable, ProductsAreThoseOfTheQuantizedActivations) {
  for (DType type : kTypes) {
    const int64_t n = 512, rows = 5, height = 19;
    const auto bytes = random_rows(type, n * height, 3);
    const auto panel = packed(type, bytes, height, n);
    std::vector<float> w(static_cast<size_t>(n * height));
    unpack(type, bytes, w);
    const auto x = quantized(k_, random_activations(n * rows, 4), n), tile = arranged(k_, x, rows);
    std::vector<float> y(static_cast<size_t>(rows * kPanelRows));
    k_.packed_product[static_cast<size_t>(type)](panel.data(), n / kBlock, tile.data(), rows, true, y.data(),
                                                 kPanelRows);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t r = 0; r < kPanelRows; ++r) {
        double truth = 0, size = 0;
        for (int64_t j = 0; j < n && r < height; ++j) {
          const ActivationBlock& b = x[static_cast<size_t>(j / kBlock * rows + i)];
          const double term = double{w[static_cast<size_t>(r * n + j)]} * b.q[j % kBlock] * double{b.scale};
          truth += term;
          size += std::abs(term);
        }
        const float found = y[static_cast<size_t>(i * kPanelRows + r)];
        // Minima and codes are summed apart and may cancel: sums of up to 16 times the terms, rounded 16 times.
        ASSERT_NEAR(found, truth, 3e-5 * size + 1e-30) << info(type).name << ' ' << i << ' ' << r;
      }
    }
  }
}

TEST_P(PackedTable, QuantizingIsTheSameEverywhereAndNear) {
  auto x = random_activations(64 * kBlock, 5);
  const auto set = [&](int block, int place, float v) { x[static_cast<size_t>(block * kBlock + place)] = v; };
  set(1, 3, kNan);
  set(2, 31, kInf);
  set(3, 16, -kInf);
  for (int i = 0; i < kBlock; ++i) set(4, i, 0.0f), set(5, i, 1e-42f * static_cast<float>(i)), set(6, i, -1e-37f);
  for (int i = 0; i < kBlock; ++i) set(7, i, i % 2 == 0 ? 3e38f : -3e38f);
  const auto blocks = quantized(k_, x, 64 * kBlock), expected = quantized(scalar_, x, 64 * kBlock);
  for (size_t b = 0; b < blocks.size(); ++b) {
    EXPECT_TRUE(std::ranges::equal(blocks[b].q, expected[b].q)) << b;
    EXPECT_TRUE(same(blocks[b].scale, expected[b].scale)) << b;
    EXPECT_EQ(blocks[b].start, expected[b].start) << b;
    EXPECT_EQ(blocks[b].halves[0], expected[b].halves[0]) << b;
    EXPECT_EQ(blocks[b].halves[1], expected[b].halves[1]) << b;
    EXPECT_TRUE(same(blocks[b].scaled_sum, expected[b].scaled_sum)) << b;
    if (b >= 1 && b <= 3) {
      EXPECT_TRUE(std::isnan(blocks[b].scale)) << b;
      continue;
    }
    int sum = 0;
    for (size_t i = 0; i < kBlock; ++i) {
      const float value = x[b * kBlock + i], found = blocks[b].scale * static_cast<float>(blocks[b].q[i]);
      const float step = b == 4 || b == 5 || b == 6 ? kLeastActivation : blocks[b].scale;
      EXPECT_LE(std::abs(value - found), 0.5001f * step + 1e-36f) << b << ' ' << i;
      sum += blocks[b].q[i];
    }
    EXPECT_EQ(blocks[b].start, -8 * sum);
  }
}

TEST_P(PackedTable, ANaNInABlockReachesEveryProductOfItsRowAlone) {
  const int64_t n = 256, rows = 3;
  auto x = random_activations(n * rows, 6);
  x[static_cast<size_t>(n + 77)] = kInf;
  const auto tile = arranged(k_, quantized(k_, x, n), rows);
  for (DType type : kTypes) {
    const auto panel = packed(type, random_rows(type, n * kPanelRows, 7), kPanelRows, n);
    std::vector<float> y(static_cast<size_t>(rows * kPanelRows));
    k_.packed_product[static_cast<size_t>(type)](panel.data(), n / kBlock, tile.data(), rows, true, y.data(),
                                                 kPanelRows);
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i / kPanelRows == 1) << info(type).name << i;
  }
}

TEST_P(PackedTable, RoundingToBf16IsThatOfHalf) {
  std::vector<float> x;
  for (uint32_t bits : {0x00000000u, 0x80000000u, 0x00000001u, 0x3f808000u, 0x3f818000u, 0x3f808001u, 0x7f7fffffu,
                        0x7f800000u, 0xff800000u, 0x7f800001u, 0xffc00001u, 0x7fffffffu, 0x00007fffu}) {
    x.push_back(std::bit_cast<float>(bits));
  }
  for (int64_t stride : {2, 24}) {
    for (int64_t n = 1; n <= std::ssize(x); ++n) {
      std::vector<uint16_t> rounded(static_cast<size_t>((n + 1) / 2 * stride), 0xabcd);
      k_.round_to_bf16(x.data(), n, rounded.data(), stride);
      for (int64_t i = 0; i < std::ssize(rounded); ++i) {
        const int64_t at = i / stride * 2 + i % stride;
        const uint16_t wanted = i % stride > 1 ? 0xabcd : at < n ? half::to_bf16(x[static_cast<size_t>(at)]) : 0;
        ASSERT_EQ(rounded[static_cast<size_t>(i)], wanted) << n << ' ' << stride << ' ' << i;
      }
    }
  }
}

TEST_P(PackedTable, Bf16ProductsOfEveryTile) {
  for (int64_t n : {1, 2, 31, 256, 777}) {
    const auto bytes = random_rows(DType::bf16, n * kPanelRows, 8);
    std::vector<float> w(static_cast<size_t>(n * kPanelRows));
    unpack(DType::bf16, bytes, w);
    const auto panel = packed(DType::bf16, bytes, kPanelRows, n);
    const int64_t pairs = (n + 1) / 2;
    std::vector<float> alone;
    for (int64_t rows = 1; rows <= kTileRows; ++rows) {
      const auto x = random_activations(n * kTileRows, 9);
      std::vector<uint16_t> rounded(static_cast<size_t>(2 * pairs * rows));
      for (int64_t r = 0; r < rows; ++r) k_.round_to_bf16(x.data() + r * n, n, rounded.data() + 2 * r, 2 * rows);
      std::vector<float> y(static_cast<size_t>(rows * kPanelRows));
      k_.packed_product_bf16(panel.data(), pairs, rounded.data(), rows, true, y.data(), kPanelRows);
      for (int64_t i = 0; i < rows * kPanelRows; ++i) {
        const int64_t row = i / kPanelRows, r = i % kPanelRows;
        double truth = 0, size = 0;
        for (int64_t j = 0; j < n; ++j) {
          const auto bits = uint32_t{rounded[static_cast<size_t>((j / 2 * rows + row) * 2 + j % 2)]} << 16;
          const double term = double{w[static_cast<size_t>(r * n + j)]} * double{std::bit_cast<float>(bits)};
          truth += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(y[static_cast<size_t>(i)], truth, 1e-5 * size + 1e-30) << n << ' ' << rows << ' ' << i;
      }
      if (rows == kTileRows) {
        for (size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(same(y[i], alone[i])) << n << ' ' << i;
      }
      if (rows == 1) alone = y;
    }
  }
}

TEST_P(PackedTable, F16ProductsEqualTheScalarOnesToTheBitInEveryTile) {
  for (int64_t n : {1, 2, 31, 256, 777}) {
    auto bytes = random_rows(DType::f16, n * kPanelRows, 12);
    const uint16_t odd[] = {0x0001, 0x8000, 0x7c00, 0x7e01};  // denormal, -0, infinity, NaN: a row each
    for (size_t r = 0; r < std::size(odd); ++r) {
      std::memcpy(bytes.data() + (static_cast<int64_t>(r) * n + n / 2) * 2, &odd[r], 2);
    }
    std::vector<float> w(static_cast<size_t>(n * kPanelRows));
    unpack(DType::f16, bytes, w);
    const auto panel = packed(DType::f16, bytes, kPanelRows, n);
    const auto x = random_activations(n * kTileRows, 13);
    for (int64_t rows = 1; rows <= kTileRows; ++rows) {
      std::vector<float> tile(static_cast<size_t>(n * rows));
      for (int64_t i = 0; i < n * rows; ++i)
        tile[static_cast<size_t>(i)] = x[static_cast<size_t>(i % rows * n + i / rows)];
      const int64_t stride = 35;
      std::vector<float> y(static_cast<size_t>(rows * stride), 7.0f), expected = y;
      k_.packed_product_f16(panel.data(), n, tile.data(), rows, rows % 2 == 0, y.data(), stride);
      scalar_.packed_product_f16(panel.data(), n, tile.data(), rows, false, expected.data(), stride);
      for (size_t i = 0; i < y.size(); ++i) ASSERT_TRUE(same(y[i], expected[i])) << n << ' ' << rows << ' ' << i;
      for (int64_t i = 0; i < rows * kPanelRows; ++i) {
        const int64_t row = i / kPanelRows, r = i % kPanelRows;
        if (r == 2 || r == 3) continue;
        double truth = 0, size = 0;
        for (int64_t j = 0; j < n; ++j) {
          const double term = double{w[static_cast<size_t>(r * n + j)]} * double{x[static_cast<size_t>(row * n + j)]};
          truth += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(y[static_cast<size_t>(row * stride + r)], truth, 1e-5 * size + 1e-30)
            << n << ' ' << rows << ' ' << i;
      }
    }
  }
}

}  // namespace
}  // namespace gemma::cpu
