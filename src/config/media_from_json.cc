// SPDX-License-Identifier: Apache-2.0
// vision_config and audio_config of config.json -> MediaConfig, with the class defaults of transformers for keys that a
// file leaves out.
#include "base/error.h"
#include "config/keys.h"
#include "config/media_config.h"
#include "config/resolve.h"

namespace gemma {
namespace {

constexpr int kMelBins = 128;  // the front end has no other number (spec section 11)
constexpr int64_t kMaxSamples = 1 << 16, kMaxDistances = 1 << 12;
// The reference clips activations to +-gradient_clipping: with a bound like this in f32 that does nothing.
constexpr double kNoClipping = 1e9;

/** A key whose other values no checkpoint has. */
void require(const Keys& keys, std::string_view key, std::string_view expected, bool holds) {
  if (!holds) keys.fail_key(key, expected, keys.all().if_contains(key));
}

float eps_of(const Keys& keys) {
  return static_cast<float>(keys.number("rms_norm_eps", resolve::kMinEps, resolve::kMaxEps).value_or(1e-6));
}

void set_rope(VisionConfig& c, const Keys& keys) {
  c.theta = 100.0;
  if (const auto rope = keys.object("rope_parameters")) {
    const std::string type = rope->string("rope_type").value_or("axial");
    require(*rope, "rope_type", "axial or default", type == "axial" || type == "default");
    c.theta = rope->number("rope_theta", resolve::kMinTheta, resolve::kMaxTheta).value_or(c.theta);
  }
  c.inverse_frequency = resolve::rope(c.head_dim / 2, c.head_dim / 4, c.theta, 1.0).inverse_frequency;
}

VisionConfig read_vision(const Keys& keys) {
  const auto number = [&](std::string_view key, int64_t most, int otherwise) {
    return keys.integer(key, 1, most).value_or(otherwise);
  };
  VisionConfig c;
  c.dim = number("hidden_size", resolve::kMaxWidth, 768);
  c.layers = number("num_hidden_layers", resolve::kMaxLayers, 16);
  c.heads = number("num_attention_heads", resolve::kMaxHeads, 12);
  c.head_dim = number("head_dim", resolve::kMaxHeadDim, 64);
  c.mlp_width = number("intermediate_size", resolve::kMaxWidth, 3072);
  c.patch = number("patch_size", resolve::kMaxPixels, 16);
  c.pool = number("pooling_kernel_size", resolve::kMaxPixels, 3);
  c.positions = number("position_embedding_size", resolve::kMaxVocab, 10240);
  c.norm_eps = eps_of(keys);
  c.clipped = keys.boolean("use_clipped_linears").value_or(false);
  c.standardized = keys.boolean("standardize").value_or(false);
  require(keys, "head_dim", "a multiple of 4", c.head_dim % 4 == 0);
  require(keys, "num_key_value_heads", "as many as num_attention_heads",
          number("num_key_value_heads", resolve::kMaxHeads, c.heads) == c.heads);
  require(keys, "attention_bias", "false", !keys.boolean("attention_bias").value_or(false));
  require(keys, "hidden_activation", "gelu_pytorch_tanh",
          keys.string("hidden_activation").value_or("gelu_pytorch_tanh") == "gelu_pytorch_tanh");
  set_rope(c, keys);
  return c;
}

void set_channels(AudioConfig& c, const Keys& keys) {
  c.channels = {128, 32};
  constexpr std::string_view kKey = "subsampling_conv_channels";
  if (const auto channels = keys.ids(kKey)) {
    const bool two = channels->size() == 2 && (*channels)[0] > 0 && (*channels)[1] > 0;
    require(keys, kKey, "two numbers of channels",
            two && (*channels)[0] < resolve::kMaxWidth && (*channels)[1] < resolve::kMaxWidth);
    c.channels = {(*channels)[0], (*channels)[1]};
  }
}

AudioConfig read_audio(const Keys& keys) {
  const auto number = [&](std::string_view key, int64_t most, int otherwise) {
    return keys.integer(key, 1, most).value_or(otherwise);
  };
  AudioConfig c;
  c.dim = number("hidden_size", resolve::kMaxWidth, 1024);
  c.layers = number("num_hidden_layers", resolve::kMaxLayers, 12);
  c.heads = number("num_attention_heads", resolve::kMaxHeads, 8);
  c.output_dim = number("output_proj_dims", resolve::kMaxWidth, 1536);
  c.mel_bins = kMelBins;
  c.kernel = number("conv_kernel_size", resolve::kMaxWidth, 5);
  set_channels(c, keys);
  c.distances = number("attention_context_left", kMaxDistances, 13);
  c.window = c.distances;
  c.logit_cap = static_cast<float>(keys.number("attention_logit_cap", 1e-3, resolve::kMaxScale).value_or(50.0));
  c.residual_weight = static_cast<float>(keys.number("residual_weight", 0.0, resolve::kMaxScale).value_or(0.5));
  c.norm_eps = eps_of(keys);
  c.clipped = keys.boolean("use_clipped_linears").value_or(true);
  require(keys, "hidden_size", "an even multiple of num_attention_heads", c.dim % (2 * c.heads) == 0);
  require(keys, "attention_context_right", "0", keys.integer("attention_context_right", 0, 0).value_or(0) == 0);
  require(keys, "attention_chunk_size", "one less than attention_context_left, as every checkpoint has it",
          number("attention_chunk_size", resolve::kMaxWidth, 12) == c.distances - 1);
  require(keys, "hidden_act", "silu", keys.string("hidden_act").value_or("silu") == "silu");
  require(keys, "gradient_clipping", "a bound that activations do not reach",
          keys.number("gradient_clipping", 0.0, 1e300).value_or(1e10) >= kNoClipping);
  return c;
}

PixelBlockConfig read_pixel_blocks(const Keys& keys) {
  PixelBlockConfig c;
  c.side = keys.integer("patch_size", 1, resolve::kMaxPixels).value_or(16) *
           keys.integer("pooling_kernel_size", 1, resolve::kMaxPixels).value_or(3);
  c.dim = keys.integer("mm_embed_dim", 1, resolve::kMaxWidth).value_or(3840);
  c.positions = keys.integer("mm_posemb_size", 1, resolve::kMaxVocab).value_or(1120);
  c.norm_eps = eps_of(keys);
  require(keys, "output_proj_dims", "the same as mm_embed_dim",
          keys.integer("output_proj_dims", 1, resolve::kMaxWidth).value_or(3840) == c.dim);
  return c;
}

SampleFrameConfig read_sample_frames(const Keys& keys) {
  return {keys.integer("audio_embed_dim", 1, kMaxSamples).value_or(640), eps_of(keys)};
}

}  // namespace

MediaConfig MediaConfig::from_json(std::string_view where, const json::value& config) {
  const Keys top(where, config);
  const std::string family = resolve::family_of_json(where, config);
  MediaConfig c;
  const auto vision = top.object("vision_config"), audio = top.object("audio_config");
  if (family == "gemma4") {
    if (vision) c.vision = read_vision(*vision);
    if (audio) c.audio = read_audio(*audio);
  } else if (family == "gemma4_unified") {
    if (vision) c.pixel_blocks = read_pixel_blocks(*vision);
    if (audio) c.sample_frames = read_sample_frames(*audio);
  }
  return c;
}

MediaConfig MediaConfig::from(const ModelFile& file) {
  if (file.format() == FileFormat::gguf) return resolve::media_from_gguf(file);
  const auto config = file.side_json("config.json");
  if (!config) fail(file.name(), "config.json is missing beside the weights");
  return from_json((file.folder().empty() ? "" : file.folder() + "/") + "config.json", *config);
}

}  // namespace gemma
