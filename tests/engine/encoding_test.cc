// SPDX-License-Identifier: Apache-2.0
// A picture's layers may be cut into slices of any size: its soft tokens are the same to the bit, and those of whole
// layers.
#include <gtest/gtest.h>

#include <vector>

#include "../bench/random_encoders.h"
#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"

namespace gemma {
namespace {

class EncodingTest : public testing::TestWithParam<FileType> {};

TEST_P(EncodingTest, SlicesOfLayersChangeNoBit) {
  constexpr int kLayers = 2, kColumns = 24, kRows = 18;
  ThreadPool pool(2);
  const std::unique_ptr<Ops> ops = make_cpu_ops(pool);
  const auto encoders = random_encoders(*ops, GetParam(), kLayers);
  const Patches picture{random_input(kColumns * kRows, 768), kColumns};
  int slices = 0;
  const auto encode = [&](int64_t slice) {
    VisionEncoding encoding(*ops, *encoders, picture, slice);
    for (slices = 0; !encoding.done(); ++slices) encoding.advance();
    const auto bytes = encoding.soft_tokens().raw();
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  ops->listen([](std::string_view, const Tensor&) {});  // who listens has layers whole
  const std::vector<std::byte> whole = encode(1);
  EXPECT_EQ(slices, kLayers + 1);
  ops->listen({});
  EXPECT_TRUE(encode(VisionEncoding::kSlice) == whole);
  EXPECT_EQ(slices, kLayers + 1);
  EXPECT_TRUE(encode(3'000'000'000) == whole);
  EXPECT_EQ(slices, kLayers * 2 + 1);
  EXPECT_TRUE(encode(1) == whole);
  EXPECT_EQ(slices, kLayers * 5 + 1);  // 96 rows each
}

INSTANTIATE_TEST_SUITE_P(Types, EncodingTest, testing::Values(FileType::f32, FileType::bf16, FileType::q8_0),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace gemma
