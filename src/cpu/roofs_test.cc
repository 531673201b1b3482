// SPDX-License-Identifier: Apache-2.0
#include "cpu/roofs.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "cpu/kernels/select.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

TEST(Roofs, EveryInstructionSetHasOne) {
  const std::vector<const Kernels*> tables = all_kernels();
  const std::vector<RoofKernels> roofs = all_roof_kernels();
  ASSERT_EQ(roofs.size(), tables.size());
  for (size_t i = 0; i < roofs.size(); ++i) EXPECT_STREQ(roofs[i].name, tables[i]->name);
}

TEST(Roofs, ReadingReadsAllBytes) {
  std::vector<uint64_t> words(4096 / 8);
  for (size_t i = 0; i < words.size(); ++i) words[i] = i * 1'000'003;
  uint64_t expected = 0;
  for (const uint64_t w : words) expected += w;
  for (const RoofKernels& k : all_roof_kernels()) {
    EXPECT_EQ(k.read(reinterpret_cast<const std::byte*>(words.data()), 4096), expected) << k.name;
  }
}

/** The block holds one value everywhere: a sum is the number of products in it times the value's square. */
TEST(Roofs, MultiplyingMultipliesAsOftenAsItSays) {
  std::array<std::byte, kRoofBlock + 64> block;
  block.fill(std::byte{0x3c});
  alignas(64) std::array<std::byte, kRoofOut> out;
  const float f32 = std::bit_cast<float>(0x3c3c3c3c), bf16 = bf16_to_f32(0x3c3c);
  for (const RoofKernels& k : all_roof_kernels()) {
    const auto value = [&](const RoofKernels::Multiply& m) {
      out.fill(std::byte{0});
      m.run(block.data(), 2, out.data());
      float x;
      std::memcpy(&x, out.data(), sizeof x);
      return x;
    };
    const float f = value(k.f32), b = value(k.bf16);
    EXPECT_GT(f, 0) << k.name;
    EXPECT_NEAR(f / (f32 * f32), std::round(f / (f32 * f32)), 0.02) << k.name;
    EXPECT_NEAR(b / (bf16 * bf16), std::round(b / (bf16 * bf16)), 0.02) << k.name;
    value(k.int8);
    int32_t i;
    std::memcpy(&i, out.data(), sizeof i);
    EXPECT_GT(i, 0);
    EXPECT_EQ(i % (60 * 60), 0) << k.name;
    value(k.int4);
    std::memcpy(&i, out.data(), sizeof i);
    EXPECT_GT(i, 0);
    EXPECT_EQ(i % (60 * (60 % 16)), 0) << k.name;
    EXPECT_GT(k.f32.ops, 0);
    EXPECT_GE(k.int8.ops, k.f32.ops / 4) << k.name;
  }
}

TEST(Roofs, MeasuresAreOfThisWorld) {
  ThreadPool threads(1);
  const Roofs roofs = measure_roofs(threads, int64_t{64} << 20);
  EXPECT_GT(roofs.bytes_per_second, 1e8);
  EXPECT_GE(roofs.read_bytes, int64_t{64} << 20);
  ASSERT_EQ(roofs.operations.size(), all_kernels().size());
  EXPECT_EQ(roofs.operations.front().isa, kernels().name);
  for (const Roofs::Operations& o : roofs.operations) {
    EXPECT_GT(o.f32, 1e7) << o.isa;
    EXPECT_GT(o.bf16, 1e7) << o.isa;
    EXPECT_GT(o.int8, 1e7) << o.isa;
    EXPECT_GT(o.int4, 1e7) << o.isa;
  }
}

}  // namespace
}  // namespace gemma::cpu
