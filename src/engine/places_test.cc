// SPDX-License-Identifier: Apache-2.0
#include "engine/places.h"

#include <gmock/gmock.h>

namespace gemma {
namespace {

using testing::ElementsAre;

TEST(Places, OfAPlainPrompt) {
  const std::vector<int32_t> prompt(5000, 7);
  EXPECT_THAT(places_of(prompt, {}, {}, 2048), ElementsAre(2048, 4096, 5000 - 128, 5000));
  EXPECT_THAT(places_of(std::span(prompt).first(50), {}, {}, 2048), ElementsAre(50));
}

TEST(Places, TheFirstTurnAndTheLastOnes) {
  std::vector<int32_t> prompt(1000, 7);
  for (size_t end : {99, 299, 499, 699}) prompt[end] = 1;
  EXPECT_THAT(places_of(prompt, {}, std::vector<int32_t>{1, 3}, 4096), ElementsAre(100, 500, 700, 1000 - 128, 1000));
}

TEST(Places, NeverInsideOfABlock) {
  const std::vector<int32_t> prompt(5000, 7);
  const std::vector<PrefixMedia> media{
      {10, 20, true, 1}, {2000, 100, true, 2}, {4000, 200, false, 3}, {4700, 280, true, 4}};
  // What is before the last words begins with the picture that they are behind.
  EXPECT_THAT(places_of(prompt, media, {}, 2048), ElementsAre(2000, 4096, 4200, 4700, 4980, 5000));
}

TEST(Places, AreFartherApartThanWindows) {
  Config config;
  config.layers.resize(2);
  EXPECT_EQ(place_spacing(config), 1024);
  config.layers[1].window = 512;
  EXPECT_EQ(place_spacing(config), 2048);
}

TEST(Places, AreAddedOnce) {
  std::vector<int64_t> places{10, 30};
  add_place(places, 20);
  add_place(places, 30);
  add_place(places, 40);
  EXPECT_THAT(places, ElementsAre(10, 20, 30, 40));
}

}  // namespace
}  // namespace gemma
