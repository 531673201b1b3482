// SPDX-License-Identifier: Apache-2.0
#include "convert/mmproj.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "config/media_names.h"
#include "config/processor_config.h"
#include "config/tensor_map.h"
#include "convert/gguf_keys.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

/** How a tensor changes on its way. */
enum class Change : uint8_t {
  nothing,         // but its shape
  colours_apart,   // rows of pixels, three values each, become three planes
  softplus,        // is applied
  axes_exchanged,  // [n, 2, dim] becomes [2, n, dim]
};

struct MediaTensor {
  std::string name;  // of the reference
  Shape from, to;
  Change change = Change::nothing;
  bool matrix = false;  // of a type that --type is about
};

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
    for (const char* bound : {".input_min", ".input_max", ".output_min", ".output_max"}) plain(name + bound, Shape{1});
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

/** Where value i of the new tensor is in the old one. */
int64_t place(const MediaTensor& t, int64_t i) {
  if (t.change == Change::colours_apart) {
    const int64_t width = t.from.cols(), squares = width / 3, within = i % width;
    return i / width * width + within % squares * 3 + within / squares;
  }
  const int64_t n = t.from[0], dim = t.from[2], row = i / dim;
  return (row % n * 2 + row / n) * dim + i % dim;
}

std::vector<float> changed_values(const ModelFile& source, const StoredTensor& stored, const MediaTensor& t) {
  std::vector<std::byte> bytes(static_cast<size_t>(stored.bytes()));
  stored.read(source, bytes);
  std::vector<float> values(static_cast<size_t>(stored.shape.count()));
  unpack(stored.dtype, bytes, values);
  if (t.change == Change::softplus) {
    for (float& v : values) v = std::max(v, 0.0f) + std::log1p(std::exp(-std::abs(v)));
    return values;
  }
  std::vector<float> moved(values.size());
  for (size_t i = 0; i < moved.size(); ++i) {
    moved[i] = values[static_cast<size_t>(place(t, static_cast<int64_t>(i)))];
  }
  return moved;
}

DType matrix_type(FileType type, int64_t cols) {
  if (type == FileType::f32) return DType::f32;
  if (type == FileType::f16) return DType::f16;
  return type == FileType::q8_0 && cols % info(DType::q8_0).block == 0 ? DType::q8_0 : DType::bf16;
}

OutputTensor output_of(const ModelFile& source, const TensorMap& map, const MediaTensor& t, FileType type) {
  std::optional<StoredTensor> stored = map.find(t.name);
  if (!stored) fail(source.name(), "tensor '{}' is missing (expected {})", map.name_in_file(t.name), t.from.str());
  const bool scalar = t.from.count() == 1 && stored->shape.count() == 1;
  if (!scalar && !(stored->shape == t.from)) {
    fail(source.name(), "tensor '{}': expected shape {}, found {}", stored->name, t.from.str(), stored->shape.str());
  }
  const DType dtype = t.matrix ? matrix_type(type, t.to.cols()) : DType::f32;
  OutputTensor out{{media_gguf_name(t.name).value(), dtype, t.to}, *stored, 0, {}};
  out.from.shape = t.to;
  if (t.change != Change::nothing) {
    out.values = changed_values(source, *stored, t);
    out.from.pieces.clear();
  }
  return out;
}

void add_part(std::string_view part, std::string_view projector, int64_t text_dim, const std::array<int, 4>& sizes,
              float eps, Metadata& keys) {
  const std::string at = fmt::format("clip.{}.", part);
  keys.set(fmt::format("clip.has_{}_encoder", part), true);
  keys.set(at + "projector_type", std::string(projector));
  keys.set(at + "projection_dim", text_dim);
  constexpr const char* kNames[] = {"embedding_length", "feed_forward_length", "block_count", "attention.head_count"};
  for (size_t i = 0; i < sizes.size(); ++i) keys.set(at + kNames[i], int64_t{sizes[i]});
  keys.set(at + "attention.layer_norm_epsilon", double{eps});
}

/** Of pictures. Readers want a size and what is taken off the pixels, of which these models have none. */
void add_pixel_keys(int patch, int cell, Metadata& keys) {
  constexpr int64_t kUnusedSize = 224;
  keys.set("clip.vision.image_size", kUnusedSize);
  keys.set("clip.vision.patch_size", int64_t{patch});
  keys.set("clip.vision.projector.scale_factor", int64_t{cell});
  keys.set("clip.vision.image_mean", std::vector<double>{0, 0, 0});
  keys.set("clip.vision.image_std", std::vector<double>{1, 1, 1});
}

/** A budget of soft tokens, as the bound of pixels that it is. */
void add_budget(const ModelFile& source, const MediaConfig& media, int side, Metadata& keys) {
  const std::optional<int> budget = ProcessorConfig::from(source, media).image_budget;
  if (budget) keys.set("clip.vision.image_max_pixels", int64_t{*budget} * side * side);
}

/** Readers take for given what has no key. */
void check_given(const ModelFile& source, const MediaConfig& media) {
  const auto require = [&](std::string_view key, double expected, double found) {
    if (static_cast<float>(found) != static_cast<float>(expected)) {
      fail(source.name(), "{}: expected {}, since mmproj files have no key for it, found {}", key, expected, found);
    }
  };
  if (media.vision) require("vision_config.rope_parameters.rope_theta", 100.0, media.vision->theta);
  if (const auto& a = media.audio) {
    require("audio_config.attention_context_left", 13, a->distances);
    require("audio_config.attention_logit_cap", 50.0, a->logit_cap);
    require("audio_config.residual_weight", 0.5, a->residual_weight);
    require("audio_config.rms_norm_eps", 1e-6, a->norm_eps);
  }
  if (const auto& s = media.sample_frames) {
    require("audio_config.audio_embed_dim", 640, s->samples);
    require("audio_config.rms_norm_eps", 1e-6, s->norm_eps);
  }
}

}  // namespace

void add_mmproj_keys(const ModelFile& source, const MediaConfig& media, const Config& text, FileType type,
                     Metadata& keys) {
  check_given(source, media);
  keys.set("general.architecture", std::string("clip"));
  keys.set("general.type", std::string("mmproj"));
  if (const auto& v = media.vision) {
    add_part("vision", "gemma4v", text.dim, {v->dim, v->mlp_width, v->layers, v->heads}, v->norm_eps, keys);
    add_pixel_keys(v->patch, v->pool, keys);
    add_budget(source, media, v->patch * v->pool, keys);
    if (v->head_dim * v->heads != v->dim) keys.set("clip.vision.attention.head_dim", int64_t{v->head_dim});
  }
  if (const auto& b = media.pixel_blocks) {
    // A block is one patch to us, to readers a square of patches: any that divide it.
    constexpr int kPatches = 3;
    const int cell = b->side % kPatches == 0 ? kPatches : 1;
    add_part("vision", "gemma4uv", text.dim, {b->dim, 0, 0, 0}, b->norm_eps, keys);
    add_pixel_keys(b->side / cell, cell, keys);
    add_budget(source, media, b->side, keys);
  }
  if (const auto& a = media.audio) {
    add_part("audio", "gemma4a", text.dim, {a->dim, 4 * a->dim, a->layers, a->heads}, a->norm_eps, keys);
    keys.set("clip.audio.num_mel_bins", int64_t{a->mel_bins});
  }
  if (const auto& s = media.sample_frames) {
    add_part("audio", "gemma4ua", text.dim, {s->samples, 0, 0, 0}, s->norm_eps, keys);
    keys.set("clip.audio.num_mel_bins", int64_t{s->samples});
  }
  const bool small = type != FileType::f32 && type != FileType::f16 && type != FileType::q8_0;
  add_file_type_keys(small ? FileType::bf16 : type, keys);
}

std::vector<OutputTensor> mmproj_tensors(const ModelFile& source, const MediaConfig& media, const Config& text,
                                         FileType type) {
  const TensorMap map(source, text);
  std::vector<OutputTensor> outputs;
  for (const MediaTensor& t : Lister().list(media, text.dim)) outputs.push_back(output_of(source, map, t, type));
  return outputs;
}

}  // namespace gemma
