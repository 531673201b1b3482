// SPDX-License-Identifier: Apache-2.0
#include "exchange/senses.h"

#include <gtest/gtest.h>

namespace gemma {
namespace {

std::shared_ptr<const Media> media_of_blocks(Medium medium, const std::vector<Medium>& blocks) {
  auto media = std::make_shared<Media>();
  media->item.medium = medium;
  for (const Medium block : blocks) media->item.blocks.push_back({"", block, 1});
  return media;
}

TEST(Senses, WhatFilesNeed) {
  EXPECT_EQ(Senses::of(Medium::image), (Senses{true, false}));
  EXPECT_EQ(Senses::of(Medium::audio), (Senses{false, true}));
  EXPECT_EQ(Senses::of(Medium::video), (Senses{true, true}));
  const auto silent = media_of_blocks(Medium::video, {Medium::video, Medium::video});
  const auto film = media_of_blocks(Medium::video, {Medium::video, Medium::audio});
  EXPECT_EQ(Senses::of(MediaList{silent}), (Senses{true, false}));
  EXPECT_EQ(Senses::of(MediaList{film}), (Senses{true, true}));
  EXPECT_EQ(Senses::of(MediaList{silent, media_of_blocks(Medium::audio, {Medium::audio})}), (Senses{true, true}));
  EXPECT_FALSE(Senses::of(MediaList{}).any());
}

TEST(Senses, OfEncodersThoseThatAreWanted) {
  MediaConfig config;
  config.vision.emplace();
  config.sample_frames.emplace();
  EXPECT_EQ(Senses::of(config), (Senses{true, true}));
  EXPECT_EQ(Senses::of(only(config, {true, false})), (Senses{true, false}));
  EXPECT_EQ(Senses::of(only(config, {false, true})), (Senses{false, true}));
  Senses senses{true, true};
  EXPECT_EQ(senses.without({true, false}), (Senses{false, true}));
  EXPECT_EQ((senses & Senses{false, true}), (Senses{false, true}));
  EXPECT_EQ(senses |= Senses(), (Senses{true, true}));
}

}  // namespace
}  // namespace gemma
