// SPDX-License-Identifier: Apache-2.0
#include "media/kind.h"

#include <gtest/gtest.h>

#include "media/testing/samples.h"

namespace gemma::media {
namespace {

using testing::kPreprocess;
using testing::kSamples;

std::optional<Medium> kind_in(const std::string& bytes) { return kind_of(std::as_bytes(std::span(bytes))); }
std::optional<Medium> kind_at(const std::string& path) { return kind_in(read_file(path)); }

TEST(Kind, ByFirstBytes) {
  for (const char* name : {"rgb.png", "plain.heic", "animated.avif"}) {
    EXPECT_EQ(kind_at(kSamples + "images/" + name), Medium::image) << name;
  }
  EXPECT_EQ(kind_at(kPreprocess + "audio/tones_16000_11.wav"), Medium::audio);
  for (const char* name : {"tones.aac", "tones.m4a", "tones_44100.mp3", "tones_44100.ogg", "tones_44100.flac"}) {
    EXPECT_EQ(kind_at(kSamples + "sounds/" + name), Medium::audio) << name;
  }
  for (const char* name : {"h264_aac.mp4", "h264.mkv", "vp9_opus.webm", "vp8_opus.ogv", "h264.ts", "mpeg4.avi"}) {
    EXPECT_EQ(kind_at(kSamples + "films/" + name), Medium::video) << name;
  }
  for (const char* none : {"", "%PDF-1.7", "plain text", "\xff"}) EXPECT_EQ(kind_in(none), std::nullopt) << none;
}

}  // namespace
}  // namespace gemma::media
