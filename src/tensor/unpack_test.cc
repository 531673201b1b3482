// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

std::span<const std::byte> bytes_in(const std::string& s) { return std::as_bytes(std::span(s)); }

/** Same bits; a NaN is any NaN, since which operand's payload survives is the processor's choice. */
bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

class UnpackGolden : public testing::TestWithParam<std::string> {};

TEST_P(UnpackGolden, EqualToTheBit) {
  const std::string path = std::string(GEMMA4_GOLDEN) + "/blocks/" + GetParam();
  const std::string blocks = read_file(path + ".blocks"), expected_bytes = read_file(path + ".f32");
  std::vector<float> expected(expected_bytes.size() / sizeof(float));
  unpack(DType::f32, bytes_in(expected_bytes), expected);

  std::vector<float> values(expected.size());
  unpack(dtype_named(GetParam()).value(), bytes_in(blocks), values);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_TRUE(same(values[i], expected[i])) << i << ": " << values[i] << ", expected " << expected[i];
  }
}

TEST_P(UnpackGolden, AnyAddress) {
  const std::string blocks = read_file(std::string(GEMMA4_GOLDEN) + "/blocks/" + GetParam() + ".blocks");
  const DType type = dtype_named(GetParam()).value();
  const size_t n = blocks.size() / static_cast<size_t>(info(type).bytes) * static_cast<size_t>(info(type).block);
  std::vector<float> aligned(n), moved(n);
  unpack(type, bytes_in(blocks), aligned);
  unpack(type, bytes_in(" " + blocks).subspan(1), moved);
  for (size_t i = 0; i < n; ++i) ASSERT_TRUE(same(aligned[i], moved[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Types, UnpackGolden,
                         testing::Values("bf16", "f16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k",
                                         "q5_k", "q6_k", "iq4_nl", "iq4_xs"),
                         [](const auto& test) { return test.param; });

TEST(Half, EveryHalfMeansWhatItsBitsSay) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    const float value = f16_to_f32(static_cast<uint16_t>(bits));
    if (exponent == 31) {
      ASSERT_EQ(std::isinf(value), mantissa == 0) << bits;
      ASSERT_EQ(std::isnan(value), mantissa != 0) << bits;
    } else {
      const float magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
      ASSERT_EQ(std::abs(value), magnitude) << bits;
    }
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
    if (!std::isnan(value)) {
      ASSERT_EQ(f32_to_f16(value), bits);
    }
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = f16_to_f32(static_cast<uint16_t>(bits)), high = f16_to_f32(static_cast<uint16_t>(bits + 1));
    const float middle = 0.5f * (low + high);  // exact
    ASSERT_EQ(f32_to_f16(middle), bits + bits % 2) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(f32_to_f16(-std::nextafter(middle, 1e9f)), 0x8000 | (bits + 1)) << bits;
  }
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(f32_to_f16(1e-30f), 0);
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(std::bit_cast<float>(0xff800001u)))));
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0xff7fffffu)), 0xff80);  // the largest becomes infinite
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7f800001u)), 0x7fc0);  // a NaN does not become infinite
  EXPECT_EQ(bf16_to_f32(0xc040), -3.0f);
}

TEST(Unpack, IntegersWiden) {
  const int32_t small[] = {-5, 70000};
  const int64_t large[] = {-5, int64_t{1} << 40};
  const uint8_t bytes[] = {0, 255};
  float out[2];
  unpack(DType::i32, std::as_bytes(std::span(small)), out);
  EXPECT_EQ(out[1], 70000.0f);
  unpack(DType::i64, std::as_bytes(std::span(large)), out);
  EXPECT_EQ(out[1], 0x1p40f);
  unpack(DType::u8, std::as_bytes(std::span(bytes)), out);
  EXPECT_EQ(out[1], 255.0f);
}

}  // namespace
}  // namespace gemma
