// SPDX-License-Identifier: Apache-2.0
#include "config/media_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "config/config.h"

namespace gemma {
namespace {

using testing::HasSubstr;

json::value golden(const std::string& path) {
  return parse_json_or_fail(path, read_file(std::string(GEMMA4_GOLDEN) + "/" + path));
}

MediaConfig from(const json::value& config) { return MediaConfig::from_json("config.json", config); }

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

std::string error(const json::value& config) {
  return error_of([&] { from(config); });
}

TEST(MediaConfig, VisionTowers) {
  const VisionConfig e = from(golden("e_vision/config.json")).vision.value();
  EXPECT_EQ(e.dim, 48);
  EXPECT_EQ(e.layers, 3);
  EXPECT_EQ(e.heads, 4);
  EXPECT_EQ(e.head_dim, 12);
  EXPECT_EQ(e.patch, 4);
  EXPECT_EQ(e.pool, 3);
  EXPECT_TRUE(e.clipped);
  EXPECT_FALSE(e.standardized);
  ASSERT_EQ(e.inverse_frequency.size(), 3u);
  EXPECT_EQ(e.inverse_frequency[0], 1.0f);
  EXPECT_NEAR(e.inverse_frequency[1], 0.2154435f, 1e-7);  // 100^(-2/6)

  const VisionConfig dense = from(golden("dense_vision/config_hub.json")).vision.value();
  EXPECT_FALSE(dense.clipped);
  EXPECT_TRUE(dense.standardized);
}

TEST(MediaConfig, AudioTowers) {
  const AudioConfig c = from(golden("e_audio/config_hub.json")).audio.value();
  EXPECT_EQ(c.dim, 32);
  EXPECT_EQ(c.layers, 2);
  EXPECT_EQ(c.heads, 4);
  EXPECT_EQ(c.output_dim, 48);
  EXPECT_EQ(c.channels, (std::array{128, 8}));
  EXPECT_EQ(c.kernel, 5);
  EXPECT_EQ(c.distances, 13);
  EXPECT_EQ(c.window, 13);  // as models were trained, not as the reference computes
  EXPECT_EQ(c.logit_cap, 50.0f);
  EXPECT_EQ(c.residual_weight, 0.5f);
  EXPECT_TRUE(c.clipped);
}

TEST(MediaConfig, BlocksOfPixelsAndRunsOfSamples) {
  const MediaConfig c = from(golden("unified_mixed/config_hub.json"));
  EXPECT_EQ(c.pixel_blocks->side, 12);
  EXPECT_EQ(c.pixel_blocks->dim, 40);
  EXPECT_EQ(c.sample_frames->samples, 640);
  EXPECT_FALSE(c.vision || c.audio);
  EXPECT_TRUE(c.sees() && c.hears());
}

MediaConfig from_gguf(const char* path) {
  return MediaConfig::from(ModelFile::open(std::string(GEMMA4_GOLDEN) + "/" + path));
}

TEST(MediaConfig, MmprojFilesSayTheSame) {
  const MediaConfig mixed = from_gguf("mmproj/mixed.gguf"), folder = from(golden("mixed/config.json"));
  const VisionConfig &v = *mixed.vision, &w = *folder.vision;
  EXPECT_EQ(std::tie(v.dim, v.layers, v.heads, v.head_dim, v.mlp_width, v.patch, v.pool, v.positions, v.norm_eps),
            std::tie(w.dim, w.layers, w.heads, w.head_dim, w.mlp_width, w.patch, w.pool, w.positions, w.norm_eps));
  EXPECT_EQ(std::tie(v.clipped, v.standardized, v.inverse_frequency),
            std::tie(w.clipped, w.standardized, w.inverse_frequency));
  const AudioConfig &a = *mixed.audio, &b = *folder.audio;
  EXPECT_EQ(std::tie(a.dim, a.layers, a.heads, a.output_dim, a.mel_bins, a.kernel, a.channels, a.distances, a.window),
            std::tie(b.dim, b.layers, b.heads, b.output_dim, b.mel_bins, b.kernel, b.channels, b.distances, b.window));
  EXPECT_EQ(std::tie(a.logit_cap, a.residual_weight, a.norm_eps, a.clipped),
            std::tie(b.logit_cap, b.residual_weight, b.norm_eps, b.clipped));

  EXPECT_FALSE(MediaConfig::from(ModelFile::open(std::string(GEMMA4_GOLDEN) + "/e_text")).sees());
  EXPECT_THAT(error_of([] { Config::from(ModelFile::open(std::string(GEMMA4_GOLDEN) + "/mmproj/mixed.gguf")); }),
              HasSubstr("(mmproj), not the model"));

  const MediaConfig dense = from_gguf("mmproj/dense_vision.gguf");
  EXPECT_FALSE(dense.vision->clipped || dense.hears());
  EXPECT_TRUE(dense.vision->standardized);
  const MediaConfig unified = from_gguf("mmproj/unified_mixed.gguf");
  EXPECT_EQ(unified.pixel_blocks->side, 12);
  EXPECT_EQ(unified.pixel_blocks->dim, 40);
  EXPECT_EQ(unified.pixel_blocks->positions, 160);
  EXPECT_EQ(unified.sample_frames->samples, 640);
}

TEST(MediaConfig, ModelsWithoutEncoders) {
  for (const char* path : {"e_text/config.json", "gemma3_text/config.json", "unified_text/config.json"}) {
    const MediaConfig c = from(golden(path));
    EXPECT_FALSE(c.sees()) << path;
    EXPECT_FALSE(c.hears()) << path;
  }
}

TEST(MediaConfig, MissingKeysHaveTheReferencesDefaults) {
  const MediaConfig c =
      from({{"model_type", "gemma4"}, {"vision_config", json::object()}, {"audio_config", json::object()}});
  EXPECT_EQ(c.vision->dim, 768);
  EXPECT_EQ(c.vision->mlp_width, 3072);
  EXPECT_EQ(c.vision->positions, 10240);
  EXPECT_FALSE(c.vision->clipped);
  EXPECT_EQ(c.audio->dim, 1024);
  EXPECT_EQ(c.audio->output_dim, 1536);
  EXPECT_EQ(c.audio->channels, (std::array{128, 32}));
  EXPECT_EQ(c.audio->window, 13);
  EXPECT_TRUE(c.audio->clipped);
  const MediaConfig blocks =
      from({{"model_type", "gemma4_unified"}, {"vision_config", json::object()}, {"audio_config", nullptr}});
  EXPECT_EQ(blocks.pixel_blocks->side, 48);
  EXPECT_EQ(blocks.pixel_blocks->dim, 3840);
  EXPECT_FALSE(blocks.sample_frames);
}

TEST(MediaConfig, SaysWhatIsWrong) {
  const auto with = [](const char* part, const char* key, const json::value& value) {
    json::object config{{"model_type", "gemma4"}};
    config[part] = json::object{{key, value}};
    return error(config);
  };
  EXPECT_EQ(with("vision_config", "head_dim", 6),
            "config.json: vision_config.head_dim: expected a multiple of 4, found 6");
  EXPECT_THAT(with("vision_config", "num_key_value_heads", 4), HasSubstr("as many as num_attention_heads, found 4"));
  EXPECT_THAT(with("vision_config", "hidden_size", 0), HasSubstr("a whole number from 1"));
  EXPECT_THAT(with("vision_config", "hidden_activation", "relu"), HasSubstr("gelu_pytorch_tanh, found \"relu\""));
  EXPECT_THAT(with("vision_config", "rope_parameters", json::object{{"rope_type", "yarn"}}),
              HasSubstr("vision_config.rope_parameters.rope_type: expected axial or default"));
  EXPECT_THAT(with("audio_config", "subsampling_conv_channels", json::array{1, 2, 3}), HasSubstr("two numbers"));
  EXPECT_THAT(with("audio_config", "hidden_size", 1020), HasSubstr("an even multiple of num_attention_heads"));
  EXPECT_THAT(with("audio_config", "attention_context_right", 1), HasSubstr("attention_context_right"));
  EXPECT_THAT(with("audio_config", "attention_context_left", 12), HasSubstr("attention_chunk_size"));
  EXPECT_THAT(with("audio_config", "attention_context_left", 4097), HasSubstr("a whole number from 1 to 4096"));
  EXPECT_THAT(with("audio_config", "gradient_clipping", 10.0), HasSubstr("gradient_clipping"));
  EXPECT_THAT(with("audio_config", "hidden_act", "gelu"), HasSubstr("expected silu"));
  EXPECT_THAT(error({{"model_type", "gemma4_unified"},
                     {"vision_config", json::object{{"mm_embed_dim", 8}, {"output_proj_dims", 9}}}}),
              HasSubstr("output_proj_dims: expected the same as mm_embed_dim, found 9"));
}

}  // namespace
}  // namespace gemma
