// SPDX-License-Identifier: Apache-2.0
#include "engine/encoded_media.h"

#include <gtest/gtest.h>

namespace gemma {
namespace {

Tensor rows(int64_t n) { return Tensor::host(DType::f32, Shape{n, 4}); }  // 16 bytes each

TEST(EncodedMedia, FindsAgainWhatWasUsedOfLate) {
  EncodedMedia media(64);
  media.add(1, rows(2));
  media.add(2, rows(1));
  EXPECT_EQ(media.find(1).rows(), 2);
  media.add(3, rows(2));  // more than fits: the second was used longest ago
  EXPECT_FALSE(media.find(2).defined());
  EXPECT_EQ(media.find(1).rows(), 2);
  EXPECT_EQ(media.find(3).rows(), 2);
  EXPECT_EQ(media.bytes(), 64);
}

TEST(EncodedMedia, KeepsWithinItsBytes) {
  EncodedMedia media(64);
  media.add(1, rows(5));
  EXPECT_FALSE(media.find(1).defined());
  media.add(2, rows(3));
  media.add(2, rows(3));  // the same again takes nothing
  EXPECT_EQ(media.bytes(), 48);
  media.add(0, rows(1));  // nobody knows what it shows
  EXPECT_FALSE(media.find(0).defined());
  EXPECT_EQ(media.bytes(), 48);
}

}  // namespace
}  // namespace gemma
