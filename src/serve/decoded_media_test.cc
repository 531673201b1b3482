// SPDX-License-Identifier: Apache-2.0
#include "serve/decoded_media.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

std::shared_ptr<const Media> sound(int64_t bytes) {
  Media media;
  media.inputs.emplace_back().sound = Tensor::host(DType::u8, {bytes, 1});
  return std::make_shared<const Media>(std::move(media));
}

TEST(DecodedMedia, KeysTellAllApartThatDiffers) {
  const auto key = DecodedMedia::key_of("how", "file");
  EXPECT_EQ(key, DecodedMedia::key_of("how", "file"));
  EXPECT_NE(key, DecodedMedia::key_of("how", "filf"));
  EXPECT_NE(key, DecodedMedia::key_of("hov", "file"));
  EXPECT_NE(key, DecodedMedia::key_of("howf", "ile"));
}

TEST(DecodedMedia, LetsGoWhatWasUsedLeastLately) {
  DecodedMedia kept(10'000);
  const auto a = DecodedMedia::key_of("", "a"), b = DecodedMedia::key_of("", "b"), c = DecodedMedia::key_of("", "c");
  EXPECT_EQ(kept.find(a), nullptr);
  const auto first = sound(4000);
  kept.add(a, first);
  kept.add(b, sound(4000));
  EXPECT_EQ(kept.find(a), first);
  kept.add(c, sound(4000));
  EXPECT_EQ(kept.find(b), nullptr);
  EXPECT_EQ(kept.find(a), first);
  EXPECT_NE(kept.find(c), nullptr);
  kept.add(b, sound(20'000));  // has no room
  EXPECT_EQ(kept.find(b), nullptr);
  EXPECT_EQ(kept.find(a), first);
  EXPECT_EQ(kept.stats().added, 4);
  EXPECT_EQ(kept.stats().found, 4);
  EXPECT_GT(kept.stats().bytes, 8000);
  EXPECT_LE(kept.stats().bytes, 10'000);
}

}  // namespace
}  // namespace gemma::serve
