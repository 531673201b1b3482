// SPDX-License-Identifier: Apache-2.0
// Keys of an mmproj file (spec/gguf.md) -> MediaConfig. What has no key is the same in all such models, or is read off
// the tensors: the size of the position table, channels and kernels of convolutions, whether products have bounds.
#include "config/gguf_keys.h"
#include "config/media_config.h"
#include "config/resolve.h"

namespace gemma {
namespace {

constexpr float kEps = 1e-6f;     // of sound: the key of older files is wrong, no model has another value
constexpr int kDefaultPool = 3;   // of patches
constexpr int kSamples = 640;     // of the 12B's sound
constexpr double kTheta = 100.0;  // of the vision tower
constexpr int kAudioDistances = 13;
constexpr float kLogitCap = 50.0f, kResidualWeight = 0.5f;

/** A tensor that sizes are read off. */
const Shape& shape_of(const ModelFile& file, std::string_view name, int rank) {
  const TensorRecord* record = file.find(name);
  if (record == nullptr) fail(file.name(), "tensor '{}' is missing", name);
  for (int i = 0; i < rank; ++i) {
    if (record->shape.rank == rank && record->shape[i] > 0 && record->shape[i] <= resolve::kMaxVocab) continue;
    fail(file.name(), "tensor '{}': expected {} sizes, found {}", name, rank, record->shape.str());
  }
  return record->shape;
}

int size_of(const ModelFile& file, std::string_view name, int rank, int which) {
  return static_cast<int>(shape_of(file, name, rank)[which]);
}

/** "gemma4v" and the like, of "vision" or "audio"; "" where the file has no such part. */
std::string projector(const GgufKeys& keys, std::string_view part) {
  const auto name = [&](const char* form) { return keys.full(fmt::format(fmt::runtime(form), part)); };
  const MetaValue* has = keys.metadata().find(name("has_{}_encoder"));
  if (has == nullptr || !std::holds_alternative<bool>(*has) || !std::get<bool>(*has)) return "";
  const auto own = keys.metadata().string(name("{}.projector_type"));
  return own ? *own : keys.metadata().string(keys.full("projector_type")).value_or("(no name)");
}

[[noreturn]] void refuse_projector(const GgufKeys& keys, std::string_view found) {
  fail(keys.file().name(),
       "projector '{}' is not supported: expected one of Gemma 4 (gemma4v, gemma4a, gemma4uv, gemma4ua)", found);
}

VisionConfig read_vision(const GgufKeys& keys) {
  const ModelFile& file = keys.file();
  VisionConfig c;
  c.dim = keys.need("vision.embedding_length", 1, resolve::kMaxWidth);
  c.layers = keys.need("vision.block_count", 1, resolve::kMaxLayers);
  c.heads = keys.need("vision.attention.head_count", 1, resolve::kMaxHeads);
  c.head_dim = keys.integer("vision.attention.head_dim", 4, resolve::kMaxHeadDim).value_or(c.dim / c.heads);
  c.mlp_width = keys.need("vision.feed_forward_length", 1, resolve::kMaxWidth);
  c.patch = keys.need("vision.patch_size", 1, resolve::kMaxPixels);
  c.pool = keys.integer("vision.projector.scale_factor", 1, resolve::kMaxPixels).value_or(kDefaultPool);
  c.positions = size_of(file, "v.position_embd.weight", 3, 1);
  c.norm_eps = static_cast<float>(
      keys.number("vision.attention.layer_norm_epsilon", resolve::kMinEps, resolve::kMaxEps).value_or(1e-6));
  c.clipped = file.find("v.blk.0.attn_q.input_min") != nullptr;
  c.standardized = file.find("v.std_bias") != nullptr;
  c.theta = kTheta;
  if (c.head_dim % 4 != 0 || c.head_dim <= 0) {
    fail(file.name(), "key {}: expected heads of a size that 4 divides, found {} of {}",
         keys.full("vision.attention.head_count"), c.heads, c.head_dim);
  }
  c.inverse_frequency = resolve::rope(c.head_dim / 2, c.head_dim / 4, c.theta, 1.0).inverse_frequency;
  return c;
}

AudioConfig read_audio(const GgufKeys& keys) {
  const ModelFile& file = keys.file();
  AudioConfig c;
  c.dim = keys.need("audio.embedding_length", 2, resolve::kMaxWidth);
  c.layers = keys.need("audio.block_count", 1, resolve::kMaxLayers);
  c.heads = keys.need("audio.attention.head_count", 1, resolve::kMaxHeads);
  c.mel_bins = keys.need("audio.num_mel_bins", 1, resolve::kMaxWidth);
  c.output_dim = size_of(file, "a.pre_encode.out.weight", 2, 0);
  c.kernel = size_of(file, "a.blk.0.conv_dw.weight", 2, 1);
  c.channels = {size_of(file, "a.conv1d.0.weight", 4, 0), size_of(file, "a.conv1d.1.weight", 4, 0)};
  c.distances = c.window = kAudioDistances;
  c.logit_cap = kLogitCap;
  c.residual_weight = kResidualWeight;
  c.norm_eps = kEps;
  c.clipped = file.find("a.blk.0.attn_q.input_min") != nullptr;
  if (c.dim % (2 * c.heads) != 0) {
    fail(file.name(), "key {}: expected a number of heads of which {} is an even multiple, found {}",
         keys.full("audio.attention.head_count"), c.dim, c.heads);
  }
  return c;
}

PixelBlockConfig read_pixel_blocks(const GgufKeys& keys) {
  PixelBlockConfig c;
  c.side = keys.need("vision.patch_size", 1, resolve::kMaxPixels) *
           keys.integer("vision.projector.scale_factor", 1, resolve::kMaxPixels).value_or(kDefaultPool);
  c.dim = keys.need("vision.embedding_length", 1, resolve::kMaxWidth);
  c.positions = size_of(keys.file(), "v.position_embd.weight", 3, 1);
  c.norm_eps = static_cast<float>(
      keys.number("vision.attention.layer_norm_epsilon", resolve::kMinEps, resolve::kMaxEps).value_or(1e-6));
  return c;
}

}  // namespace

namespace resolve {

MediaConfig media_from_gguf(const ModelFile& file) {
  MediaConfig c;
  if (file.metadata().string("general.architecture").value_or("") != "clip") return c;  // a text model by itself
  const GgufKeys keys(file, "clip");
  const std::string vision = projector(keys, "vision"), audio = projector(keys, "audio");
  if (vision == "gemma4v") {
    c.vision = read_vision(keys);
  } else if (vision == "gemma4uv") {
    c.pixel_blocks = read_pixel_blocks(keys);
  } else if (!vision.empty()) {
    refuse_projector(keys, vision);
  }
  if (audio == "gemma4a") {
    c.audio = read_audio(keys);
  } else if (audio == "gemma4ua") {
    c.sample_frames = SampleFrameConfig{kSamples, kEps};
  } else if (!audio.empty()) {
    refuse_projector(keys, audio);
  }
  return c;
}

}  // namespace resolve
}  // namespace gemma
