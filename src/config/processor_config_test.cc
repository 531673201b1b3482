// SPDX-License-Identifier: Apache-2.0
#include "config/processor_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "file/gguf_writer.h"

namespace gemma {
namespace {

using testing::HasSubstr;

MediaConfig towers() {
  MediaConfig c;
  c.vision.emplace().patch = 16;
  c.vision->pool = 3;
  c.audio.emplace();
  return c;
}

MediaConfig unified() {
  MediaConfig c;
  c.pixel_blocks.emplace().side = 48;
  c.sample_frames = SampleFrameConfig{640, 1e-6f};
  return c;
}

ProcessorConfig of_golden(const char* folder) {
  const ModelFile file = ModelFile::open(std::string(GEMMA4_GOLDEN) + "/" + folder);
  return ProcessorConfig::from(file, MediaConfig::from(file));
}

std::string error(const json::value& config, const MediaConfig& media) {
  try {
    ProcessorConfig::from_json("p.json", config, media);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(ProcessorConfig, Goldens) {
  EXPECT_EQ(of_golden("dense_vision").image_budget, 140);
  EXPECT_FALSE(of_golden("dense_vision").frames);
  const ProcessorConfig film = of_golden("e_video");
  EXPECT_EQ(film.frame_budget, 70);
  EXPECT_EQ(film.frames, 4);
  EXPECT_FALSE(film.image_budget);
  const ProcessorConfig unified = of_golden("unified_mixed");
  EXPECT_EQ(unified.image_budget, 70);
  EXPECT_EQ(unified.frames, 2);
  EXPECT_FALSE(of_golden("e_audio").image_budget);  // its preprocessor_config.json is about sound
  EXPECT_FALSE(of_golden("e_text").image_budget);
  EXPECT_FALSE(of_golden("mmproj/mixed.gguf").image_budget);
}

ProcessorConfig of_gguf(int64_t max_pixels, int patch, int pool) {
  Metadata keys;
  keys.set("general.architecture", std::string("clip"));
  keys.set("clip.vision.image_max_pixels", max_pixels);
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source("mmproj.gguf", gguf_header("mmproj.gguf", keys, {}).bytes));
  MediaConfig media;
  media.vision.emplace().patch = patch;
  media.vision->pool = pool;
  return ProcessorConfig::from(ModelFile::open(std::move(sources)), media);
}

TEST(ProcessorConfig, PixelsOfAnMmprojFile) {
  EXPECT_EQ(of_gguf(280 * 48 * 48, 16, 3).image_budget, 280);
  EXPECT_FALSE(of_gguf(280 * 48 * 48 + 1, 16, 3).image_budget);
  EXPECT_FALSE(of_gguf(1 << 20, 256, 256).image_budget);  // 2^32 pixels for a soft token
  EXPECT_FALSE(of_gguf(1 << 20, 1024, 1024).image_budget);
  const auto error = [](int64_t max_pixels, int patch) {
    try {
      of_gguf(max_pixels, patch, 1);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error(1'000'001, 1), HasSubstr("vision.image_max_pixels: expected a whole number from 1 to 1000000"));
  EXPECT_THAT(error(int64_t{1} << 31, 1024), HasSubstr("from 1 to 2147483647, found 2147483648"));
}

TEST(ProcessorConfig, TheWholeFile) {
  const json::value config{{"image_processor", {{"max_soft_tokens", 560}, {"patch_size", 16}, {"resample", 3}}},
                           {"video_processor",
                            {{"max_soft_tokens", 140},
                             {"num_frames", 8},
                             {"do_normalize", true},
                             {"image_mean", {0.0, 0.0, 0.0}},
                             {"image_std", {1.0, 1.0, 1.0}}}},
                           {"feature_extractor", {{"sampling_rate", 16000}, {"per_bin_mean", nullptr}}},
                           {"image_seq_length", 280}};
  for (const MediaConfig& media : {towers(), unified()}) {
    const ProcessorConfig c = ProcessorConfig::from_json("p.json", config, media);
    EXPECT_EQ(c.image_budget, 560);
    EXPECT_EQ(c.frame_budget, 140);
    EXPECT_EQ(c.frames, 8);
  }
  EXPECT_FALSE(ProcessorConfig::from_json("p.json", config, MediaConfig{}).image_budget);
}

TEST(ProcessorConfig, SaysWhatCannotBeDone) {
  const auto picture = [](const char* key, const json::value& value) {
    return error({{"image_processor", json::object{{key, value}, {"do_normalize", true}}}}, towers());
  };
  EXPECT_EQ(picture("patch_size", 14), "p.json: image_processor.patch_size: expected 16, found 14");
  EXPECT_EQ(picture("do_resize", false), "p.json: image_processor.do_resize: expected true, found false");
  EXPECT_EQ(picture("resample", 2), "p.json: image_processor.resample: expected 3, found 2");
  EXPECT_EQ(picture("image_mean", json::array{0.5, 0.5, 0.5}),
            "p.json: image_processor.image_mean: expected a list of 0, found a list");
  EXPECT_THAT(picture("max_soft_tokens", 0), HasSubstr("expected a whole number from 1"));
  EXPECT_THAT(error({{"image_processor", {{"patch_size", 16}, {"pooling_kernel_size", 2}}}}, unified()),
              HasSubstr("patch_size: expected 24"));
  const auto sound = [](const char* key, const json::value& value, const MediaConfig& media) {
    return error({{"feature_extractor", json::object{{key, value}}}}, media);
  };
  EXPECT_EQ(sound("mel_floor", 1e-5, towers()), "p.json: feature_extractor.mel_floor: expected 0.001, found 1e-05");
  EXPECT_THAT(sound("per_bin_mean", json::array{1}, towers()), HasSubstr("expected null, found a list"));
  EXPECT_THAT(sound("audio_samples_per_token", 320, unified()), HasSubstr("expected 640, found 320"));
  EXPECT_EQ(error(json::array{}, towers()), "p.json: expected a JSON object, found a list");
}

}  // namespace
}  // namespace gemma
