// SPDX-License-Identifier: Apache-2.0
#include "file/verify.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>

#include "file/gguf_writer.h"
#include "file/testing/files.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

/** A model of one tensor in memory. */
ModelFile model(DType dtype, Shape shape, std::vector<std::byte> data) {
  const NewTensor tensor{"t", dtype, shape};
  GgufHeader header = gguf_header("m.gguf", {}, std::span(&tensor, 1));
  header.bytes.insert(header.bytes.end(), data.begin(), data.end());
  header.bytes.resize(static_cast<size_t>(header.file_bytes));
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source("m.gguf", std::move(header.bytes)));
  return ModelFile::open(std::move(sources));
}

std::vector<BadValues> verify_all(const ModelFile& file, int64_t* bytes = nullptr) {
  ThreadPool pool(2);
  std::atomic<int64_t> read{0};
  auto bad = verify(file, pool, [&](int64_t n) { read += n; });
  if (bytes != nullptr) *bytes = read;
  return bad;
}

TEST(Verify, FindsEachBadValueOfPlainTypes) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    constexpr int64_t kCount = 3 * 1024 * 1024;  // several pieces
    std::vector<float> values(kCount, 1.5f);
    std::vector<std::byte> data(static_cast<size_t>(bytes_of(dtype, kCount)));
    pack(dtype, values, data);
    int64_t bytes = 0;
    EXPECT_TRUE(verify_all(model(dtype, {kCount}, data), &bytes).empty());
    EXPECT_EQ(bytes, bytes_of(dtype, kCount));
    for (const int64_t at : {int64_t{70000}, kCount - 1}) values[static_cast<size_t>(at)] = kInfinity;
    values[2000000] = kNan;
    values[2000001] = -kInfinity;
    pack(dtype, values, data);
    const auto bad = verify_all(model(dtype, {kCount}, data));
    ASSERT_EQ(bad.size(), 1u);
    EXPECT_EQ(bad[0].tensor, "t");
    EXPECT_EQ(bad[0].nan, 1);
    EXPECT_EQ(bad[0].infinite, 3);
    EXPECT_EQ(bad[0].blocks, 0);
    EXPECT_EQ(bad[0].first, 70000);
  }
}

// Where a half-precision scale or minimum is in a block of each type.
struct ScaleAt {
  DType dtype;
  int byte;
};
class VerifyBlocks : public ::testing::TestWithParam<ScaleAt> {};

TEST_P(VerifyBlocks, FindsBadScales) {
  const auto [dtype, byte] = GetParam();
  const DTypeInfo& type = info(dtype);
  const Shape shape{7, 4 * type.block};
  std::vector<std::byte> data(static_cast<size_t>(bytes_of(dtype, shape.count())));
  EXPECT_TRUE(verify_all(model(dtype, shape, data)).empty());
  for (const uint16_t scale : {uint16_t{0x7c00}, uint16_t{0xfc00}, uint16_t{0x7e01}}) {
    for (const int block : {5, 27}) {
      data[static_cast<size_t>(block * type.bytes + byte)] = static_cast<std::byte>(scale & 0xff);
      data[static_cast<size_t>(block * type.bytes + byte + 1)] = static_cast<std::byte>(scale >> 8);
    }
    const auto bad = verify_all(model(dtype, shape, data));
    ASSERT_EQ(bad.size(), 1u);
    EXPECT_EQ(bad[0].blocks, 2);
    EXPECT_EQ(bad[0].nan + bad[0].infinite, 0);
    EXPECT_EQ(bad[0].first / type.block, 5);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, VerifyBlocks,
                         ::testing::Values(ScaleAt{DType::q8_0, 0}, ScaleAt{DType::q4_0, 0}, ScaleAt{DType::q4_1, 0},
                                           ScaleAt{DType::q4_1, 2}, ScaleAt{DType::q5_0, 0}, ScaleAt{DType::q5_1, 2},
                                           ScaleAt{DType::q2_k, 80}, ScaleAt{DType::q2_k, 82},
                                           ScaleAt{DType::q3_k, 108}, ScaleAt{DType::q4_k, 0}, ScaleAt{DType::q4_k, 2},
                                           ScaleAt{DType::q5_k, 2}, ScaleAt{DType::q6_k, 208},
                                           ScaleAt{DType::iq4_nl, 0}, ScaleAt{DType::iq4_xs, 0}),
                         [](const auto& test) {
                           return std::string(gemma::info(test.param.dtype).name) + "_" +
                                  std::to_string(test.param.byte);
                         });

TEST(Verify, WholeNumbersAreOnlyRead) {
  int64_t bytes = 0;
  EXPECT_TRUE(verify_all(model(DType::i32, {2}, std::vector<std::byte>(8, std::byte{0xff})), &bytes).empty());
  EXPECT_EQ(bytes, 8);
}

}  // namespace
}  // namespace gemma
