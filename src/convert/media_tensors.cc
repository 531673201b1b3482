// SPDX-License-Identifier: Apache-2.0
#include "convert/media_tensors.h"

#include <utility>

#include "base/error.h"

namespace gemma {
namespace {

using Change = MediaTensor::Change;

class Lister {
 public:
  std::vector<MediaTensor> list(const MediaConfig& media, int64_t text_dim) {
    if (media.audio) audio(*media.audio, text_dim);
    if (media.sample_frames)
      matrix("embed_audio.embedding_projection.weight", {text_dim, media.sample_frames->samples});
    if (media.vision) vision(*media.vision, text_dim);
    if (media.pixel_blocks) pixel_blocks(*media.pixel_blocks, text_dim);
    return std::move(list_);
  }

 private:
  void add(std::string_view name, Shape from, Shape to, Change change) {
    list_.push_back({at_ + std::string(name), from, to, change});
  }
  void plain(std::string_view name, Shape shape) { add(name, shape, shape, Change::nothing); }
  void matrix(std::string_view name, Shape shape) {
    plain(name, shape);
    list_.back().matrix = true;
  }
  void linear(const std::string& name, Shape shape, bool clipped) {
    matrix(name + ".linear.weight", shape);
    if (!clipped) return;
    for (const char* bound : {".input_min", ".input_max", ".output_min", ".output_max"}) {
      add(name + bound, Shape{}, Shape{1}, Change::nothing);
    }
  }

  void vision(const VisionConfig& c, int64_t text_dim) {
    const int64_t dim = c.dim, side = c.patch;
    at_ = "vision_tower.";
    add("patch_embedder.input_proj.weight", {dim, 3 * side * side}, {dim, 3, side, side}, Change::colours_apart);
    plain("patch_embedder.position_embedding_table", {2, c.positions, dim});
    for (int i = 0; i < c.layers; ++i) {
      at_ = fmt::format("vision_tower.encoder.layers.{}.", i);
      vision_layer(c);
    }
    at_ = "vision_tower.";
    if (c.standardized) plain("std_bias", {dim}), plain("std_scale", {dim});
    at_.clear();
    matrix("embed_vision.embedding_projection.weight", {text_dim, dim});
  }

  void vision_layer(const VisionConfig& c) {
    const int64_t dim = c.dim, heads = int64_t{c.heads} * c.head_dim, width = c.mlp_width;
    plain("input_layernorm.weight", {dim});
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}) {
      linear(name, {heads, dim}, c.clipped);
    }
    linear("self_attn.o_proj", {dim, heads}, c.clipped);
    plain("self_attn.q_norm.weight", {c.head_dim});
    plain("self_attn.k_norm.weight", {c.head_dim});
    plain("post_attention_layernorm.weight", {dim});
    plain("pre_feedforward_layernorm.weight", {dim});
    linear("mlp.gate_proj", {width, dim}, c.clipped);
    linear("mlp.up_proj", {width, dim}, c.clipped);
    linear("mlp.down_proj", {dim, width}, c.clipped);
    plain("post_feedforward_layernorm.weight", {dim});
  }

  void audio(const AudioConfig& c, int64_t text_dim) {
    const int64_t bins = (c.mel_bins + 3) / 4;
    at_ = "audio_tower.subsample_conv_projection.";
    plain("layer0.conv.weight", {c.channels[0], 1, 3, 3});
    plain("layer0.norm.weight", {c.channels[0]});
    plain("layer1.conv.weight", {c.channels[1], c.channels[0], 3, 3});
    plain("layer1.norm.weight", {c.channels[1]});
    plain("input_proj_linear.weight", {c.dim, bins * c.channels[1]});
    for (int i = 0; i < c.layers; ++i) {
      at_ = fmt::format("audio_tower.layers.{}.", i);
      audio_layer(c);
    }
    at_ = "audio_tower.";
    matrix("output_proj.weight", {c.output_dim, c.dim});
    plain("output_proj.bias", {c.output_dim});
    at_.clear();
    matrix("embed_audio.embedding_projection.weight", {text_dim, c.output_dim});
  }

  void audio_layer(const AudioConfig& c) {
    const int64_t dim = c.dim;
    for (const std::string part : {"feed_forward1.", "feed_forward2."}) {
      plain(part + "pre_layer_norm.weight", {dim});
      linear(part + "ffw_layer_1", {4 * dim, dim}, c.clipped);
      linear(part + "ffw_layer_2", {dim, 4 * dim}, c.clipped);
      plain(part + "post_layer_norm.weight", {dim});
    }
    plain("norm_pre_attn.weight", {dim});
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.post"}) {
      linear(name, {dim, dim}, c.clipped);
    }
    add("self_attn.per_dim_scale", {dim / c.heads}, {dim / c.heads}, Change::softplus);
    matrix("self_attn.relative_k_proj.weight", {dim, dim});
    plain("norm_post_attn.weight", {dim});
    plain("lconv1d.pre_layer_norm.weight", {dim});
    linear("lconv1d.linear_start", {2 * dim, dim}, c.clipped);
    add("lconv1d.depthwise_conv1d.weight", {dim, 1, c.kernel}, {dim, c.kernel}, Change::nothing);
    plain("lconv1d.conv_norm.weight", {dim});
    linear("lconv1d.linear_end", {dim, dim}, c.clipped);
    plain("norm_out.weight", {dim});
  }

  void pixel_blocks(const PixelBlockConfig& c, int64_t text_dim) {
    const int64_t dim = c.dim, pixels = 3 * int64_t{c.side} * c.side;
    at_ = "vision_embedder.";
    add("patch_ln1.weight", {pixels}, {pixels}, Change::colours_apart);
    add("patch_ln1.bias", {pixels}, {pixels}, Change::colours_apart);
    add("patch_dense.weight", {dim, pixels}, {dim, pixels}, Change::colours_apart);
    plain("patch_dense.bias", {dim});
    plain("patch_ln2.weight", {dim});
    plain("patch_ln2.bias", {dim});
    add("pos_embedding", {c.positions, 2, dim}, {2, c.positions, dim}, Change::axes_exchanged);
    plain("pos_norm.weight", {dim});
    plain("pos_norm.bias", {dim});
    at_.clear();
    matrix("embed_vision.embedding_projection.weight", {text_dim, dim});
  }

  std::string at_;
  std::vector<MediaTensor> list_;
};

}  // namespace

std::vector<MediaTensor> media_tensors(const MediaConfig& media, int64_t text_dim) {
  return Lister().list(media, text_dim);
}

PatchGrid patch_grid(const MediaConfig& media) {
  if (media.vision) return {media.vision->patch, media.vision->pool};
  if (!media.pixel_blocks) return {};
  constexpr int kPatches = 3;
  const int pool = media.pixel_blocks->side % kPatches == 0 ? kPatches : 1;
  return {media.pixel_blocks->side / pool, pool};
}

int64_t MediaTensor::place(int64_t i) const {
  if (change == Change::colours_apart) {
    const int64_t width = from.cols(), squares = width / 3, within = i % width;
    return i / width * width + within % squares * 3 + within / squares;
  }
  if (change != Change::axes_exchanged) return i;
  const int64_t n = from[0], dim = from[2], row = i / dim;
  return (row % n * 2 + row / n) * dim + i % dim;
}

}  // namespace gemma
