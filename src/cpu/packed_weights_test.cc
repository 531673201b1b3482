// SPDX-License-Identifier: Apache-2.0
// Packing loses nothing: every row comes back to the bit, in full panels and in the last one.
#include "cpu/packed_weights.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/select.h"
#include "tensor/pack.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

constexpr DType kTypes[] = {DType::bf16, DType::f16,  DType::q8_0,   DType::q4_0,  DType::q4_1,
                            DType::q5_0, DType::q5_1, DType::q2_k,   DType::q3_k,  DType::q4_k,
                            DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs};

std::vector<std::byte> random_bytes(int64_t n) {
  std::mt19937 random(static_cast<uint32_t>(n));
  std::vector<std::byte> bytes(static_cast<size_t>(n));
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

void expect_same(std::span<const float> found, std::span<const float> expected, DType type) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i]))
        << info(type).name << " value " << i << ": " << found[i] << ", expected " << expected[i];
  }
}

TEST(PackedWeights, EveryRowComesBackToTheBit) {
  for (DType type : kTypes) {
    for (int64_t height : {1, 15, 16, 17, 32}) {
      const int64_t n = is_quantized(type) ? 512 : 333;
      const auto rows = random_bytes(bytes_of(type, n * height));  // NaN and infinite scales among them
      std::vector<float> expected(static_cast<size_t>(n * height)), found(expected.size());
      unpack(type, rows, expected);
      std::vector<std::byte> panel(static_cast<size_t>(panel_bytes(type, n)), std::byte{0x5a});
      pack_panel(type, rows, height, n, panel);
      for (int64_t r = 0; r < height; ++r) {
        unpack_panel_row(type, panel.data(), static_cast<int>(r),
                         std::span(found).subspan(static_cast<size_t>(r * n), static_cast<size_t>(n)));
      }
      expect_same(found, expected, type);
    }
  }
}

TEST(PackedWeights, SizesAreThoseOfTheFileOrNear) {
  EXPECT_EQ(panel_bytes(DType::q4_0, 1536), 32 * bytes_of(DType::q4_0, 1536));
  EXPECT_EQ(panel_bytes(DType::q8_0, 1536), 32 * bytes_of(DType::q8_0, 1536));
  EXPECT_EQ(panel_bytes(DType::q6_k, 1536), 32 * bytes_of(DType::q6_k, 1536));
  EXPECT_EQ(panel_bytes(DType::q4_k, 1536), 32 * bytes_of(DType::q4_k, 1536) / 144 * 148);
}

TEST(PackedWeights, LoadedMatricesEmbedAsTheyAreStored) {
  ThreadPool pool(2);
  CpuOps ops(pool, kernels());
  for (DType type : kTypes) {
    const Shape shape{3, 45, 512};  // experts whose last panel is not full
    const auto bytes = random_bytes(bytes_of(type, shape.count()));
    Tensor stored = Tensor::host(type, shape);
    std::copy(bytes.begin(), bytes.end(), stored.raw_mutable().begin());
    const Tensor loaded = ops.prepare_weight(stored);
    EXPECT_EQ(loaded.layout(), Layout::packed);
    EXPECT_EQ(loaded.bytes(), ops.weight_bytes(type, shape));
    std::vector<int32_t> ids(static_cast<size_t>(shape.rows()));
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
    expect_same(ops.embed(loaded, ids, 1.0f).data<float>(), ops.embed(stored, ids, 1.0f).data<float>(), type);
  }
}

}  // namespace
}  // namespace gemma::cpu
