// SPDX-License-Identifier: Apache-2.0
#include "convert/mmproj.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "config/media_names.h"
#include "config/processor_config.h"
#include "config/tensor_map.h"
#include "convert/gguf_keys.h"
#include "convert/media_tensors.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

using Change = MediaTensor::Change;

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
    moved[i] = values[static_cast<size_t>(t.place(static_cast<int64_t>(i)))];
  }
  return moved;
}

OutputTensor output_of(const ModelFile& source, const TensorMap& map, const MediaTensor& t, FileType type) {
  std::optional<StoredTensor> stored = map.find(t.name);
  if (!stored) fail(source.name(), "tensor '{}' is missing (expected {})", map.name_in_file(t.name), t.from.str());
  const bool scalar = t.from.count() == 1 && stored->shape.count() == 1;
  if (!scalar && !(stored->shape == t.from)) {
    fail(source.name(), "tensor '{}': expected shape {}, found {}", stored->name, t.from.str(), stored->shape.str());
  }
  OutputTensor out{mmproj_tensor(t, type), *stored, 0, {}};
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
void add_pixel_keys(PatchGrid grid, Metadata& keys) {
  constexpr int64_t kUnusedSize = 224;
  keys.set("clip.vision.image_size", kUnusedSize);
  keys.set("clip.vision.patch_size", int64_t{grid.patch});
  keys.set("clip.vision.projector.scale_factor", int64_t{grid.pool});
  keys.set("clip.vision.image_mean", std::vector<double>{0, 0, 0});
  keys.set("clip.vision.image_std", std::vector<double>{1, 1, 1});
}

/** A budget of soft tokens, as the bound of pixels that it is. */
void add_budget(const ProcessorConfig& processor, int side, Metadata& keys) {
  if (const auto budget = processor.image_budget) {
    keys.set("clip.vision.image_max_pixels", int64_t{*budget} * side * side);
  }
}

/** Readers take for given what has no key. */
void check_given(std::string_view where, const MediaConfig& media) {
  const auto require = [&](std::string_view key, double expected, double found) {
    if (static_cast<float>(found) != static_cast<float>(expected)) {
      fail(where, "{}: expected {}, since mmproj files have no key for it, found {}", key, expected, found);
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

NewTensor mmproj_tensor(const MediaTensor& t, FileType type) {
  DType dtype = DType::bf16;
  if (!t.matrix || type == FileType::f32) {
    dtype = DType::f32;
  } else if (type == FileType::f16) {
    dtype = DType::f16;
  } else if (type == FileType::q8_0 && t.to.cols() % info(DType::q8_0).block == 0) {
    dtype = DType::q8_0;
  }
  return {media_gguf_name(t.name).value(), dtype, t.to};
}

void add_mmproj_keys(std::string_view where, const MediaConfig& media, const ProcessorConfig& processor,
                     int64_t text_dim, FileType type, Metadata& keys) {
  check_given(where, media);
  keys.set("general.architecture", std::string("clip"));
  keys.set("general.type", std::string("mmproj"));
  if (const auto& v = media.vision) {
    add_part("vision", "gemma4v", text_dim, {v->dim, v->mlp_width, v->layers, v->heads}, v->norm_eps, keys);
    add_pixel_keys(patch_grid(media), keys);
    add_budget(processor, v->patch * v->pool, keys);
    keys.set("clip.use_gelu", true);  // without it llama.cpp takes x / (1 + exp(-1.702 x)) for GELU
    if (v->head_dim * v->heads != v->dim) keys.set("clip.vision.attention.head_dim", int64_t{v->head_dim});
  }
  if (const auto& b = media.pixel_blocks) {
    add_part("vision", "gemma4uv", text_dim, {b->dim, 0, 0, 0}, b->norm_eps, keys);
    add_pixel_keys(patch_grid(media), keys);
    add_budget(processor, b->side, keys);
  }
  if (const auto& a = media.audio) {
    add_part("audio", "gemma4a", text_dim, {a->dim, 4 * a->dim, a->layers, a->heads}, a->norm_eps, keys);
    keys.set("clip.audio.num_mel_bins", int64_t{a->mel_bins});
  }
  if (const auto& s = media.sample_frames) {
    add_part("audio", "gemma4ua", text_dim, {s->samples, 0, 0, 0}, s->norm_eps, keys);
    keys.set("clip.audio.num_mel_bins", int64_t{s->samples});
  }
  const bool small = type != FileType::f32 && type != FileType::f16 && type != FileType::q8_0;
  add_file_type_keys(small ? FileType::bf16 : type, keys);
}

std::vector<OutputTensor> mmproj_tensors(const ModelFile& source, const MediaConfig& media, const Config& text,
                                         FileType type) {
  const TensorMap map(source, text);
  std::vector<OutputTensor> outputs;
  for (const MediaTensor& t : media_tensors(media, text.dim)) outputs.push_back(output_of(source, map, t, type));
  return outputs;
}

}  // namespace gemma
