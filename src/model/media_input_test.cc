// SPDX-License-Identifier: Apache-2.0
#include "model/media_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace gemma {
namespace {

using ::testing::HasSubstr;

Tensor squares(int64_t n) { return Tensor::from(std::vector<float>(static_cast<size_t>(n * 3), 0.5f), Shape{n, 3}); }

Tensor places(const std::vector<int32_t>& xy) { return Tensor::from(std::span(xy), Shape{std::ssize(xy) / 2, 2}); }

Tensor mask(const std::vector<uint8_t>& valid) {
  Tensor t = Tensor::host(DType::u8, Shape{std::ssize(valid)});
  std::copy(valid.begin(), valid.end(), t.data_mutable<uint8_t>().begin());
  return t;
}

std::string refusal(const Result<MediaInput>& result) { return result ? "" : result.failure().message(); }

TEST(MediaInput, APictureIsAGridRowByRow) {
  const auto input = picture_input(squares(6), places({0, 0, 1, 0, 2, 0, 0, 1, 1, 1, 2, 1}));
  ASSERT_TRUE(input.ok());
  EXPECT_EQ(input.value().picture.columns, 3);
  EXPECT_EQ(input.value().picture.rows(), 2);
  EXPECT_FALSE(input.value().sound.defined());
  EXPECT_EQ(picture_input(squares(1), places({0, 0})).value().picture.columns, 1);
  EXPECT_THAT(refusal(picture_input(squares(2), places({0, 0, 0, 0}))), HasSubstr("found (0, 0) at 1"));
  EXPECT_THAT(refusal(picture_input(squares(2), places({1, 0, 0, 0}))), HasSubstr("found (1, 0) at 0"));
  EXPECT_THAT(refusal(picture_input(squares(2), places({0, 1, 1, 1}))), HasSubstr("row by row, found (0, 1) at 0"));
  EXPECT_THAT(refusal(picture_input(squares(4), places({0, 0, 1, 0, 0, 1, 7, 7}))), HasSubstr("(7, 7) at 3"));
  EXPECT_THAT(refusal(picture_input(squares(2), places({0, 0}))), HasSubstr("expected i32 [2, 2], found i32 [1, 2]"));
  EXPECT_THAT(refusal(picture_input(squares(1), squares(1))), HasSubstr("found f32 [1, 3]"));
}

TEST(MediaInput, PaddingIsBehindTheSound) {
  EXPECT_EQ(sound_input(squares(4), {}).value().sound.rows(), 4);
  EXPECT_EQ(sound_input(squares(4), mask({1, 1, 1, 1})).value().sound.rows(), 4);
  EXPECT_EQ(sound_input(squares(4), mask({1, 1, 0, 0})).value().sound.rows(), 2);
  EXPECT_THAT(refusal(sound_input(squares(4), mask({1, 0, 1, 0}))), HasSubstr("behind the sound alone"));
  EXPECT_THAT(refusal(sound_input(squares(4), mask({1, 1}))), HasSubstr("expected u8 [4], found u8 [2]"));
}

}  // namespace
}  // namespace gemma
