// SPDX-License-Identifier: Apache-2.0
#include "model/encoder_weights.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/memory.h"
#include "model/loader.h"

namespace gemma {
namespace {

constexpr int64_t kAudioWidening = 4;  // of a feed-forward's inside; no key says so

/** `at`: the name before ".linear.weight". */
ClippedLinear load_clipped(Loader& loader, const std::string& at, std::initializer_list<int64_t> shape, bool clipped) {
  ClippedLinear w{loader.linear(at + ".linear.weight", shape), {}};
  if (!clipped) return w;
  w.bounds = Bounds{loader.number(at + ".input_min"), loader.number(at + ".input_max"),
                    loader.number(at + ".output_min"), loader.number(at + ".output_max")};
  return w;
}

VisionLayerWeights load_vision_layer(Loader& loader, const VisionConfig& c, const std::string& at) {
  const int64_t dim = c.dim, heads = int64_t{c.heads} * c.head_dim, width = c.mlp_width;
  const auto clipped = [&](const char* name, std::initializer_list<int64_t> shape) {
    return load_clipped(loader, at + name, shape, c.clipped);
  };
  VisionLayerWeights w;
  w.input_layernorm = loader.norm(at + "input_layernorm.weight", dim);
  w.post_attention_layernorm = loader.norm(at + "post_attention_layernorm.weight", dim);
  w.pre_feedforward_layernorm = loader.norm(at + "pre_feedforward_layernorm.weight", dim);
  w.post_feedforward_layernorm = loader.norm(at + "post_feedforward_layernorm.weight", dim);
  w.q = clipped("self_attn.q_proj", {heads, dim});
  w.k = clipped("self_attn.k_proj", {heads, dim});
  w.v = clipped("self_attn.v_proj", {heads, dim});
  w.o = clipped("self_attn.o_proj", {dim, heads});
  w.q_norm = loader.norm(at + "self_attn.q_norm.weight", c.head_dim);
  w.k_norm = loader.norm(at + "self_attn.k_norm.weight", c.head_dim);
  w.gate = clipped("mlp.gate_proj", {width, dim});
  w.up = clipped("mlp.up_proj", {width, dim});
  w.down = clipped("mlp.down_proj", {dim, width});
  return w;
}

/** Where a value of a square of pixels is in a GGUF file, which has colour by colour what is pixel by pixel here. */
std::vector<int64_t> places_in_gguf(int64_t side) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < 3 * side * side; ++i) places.push_back(i % 3 * side * side + i / 3);
  return places;
}

Linear load_pixel_matrix(Loader& loader, const std::string& name, int64_t rows, int64_t side, bool colours_apart) {
  if (!loader.from_gguf()) return loader.linear(name, {rows, 3 * side * side});
  const std::vector<int64_t> order = places_in_gguf(side);
  if (colours_apart) return loader.linear_reordered(name, {rows, 3, side, side}, order);
  return loader.linear_reordered(name, {rows, 3 * side * side}, order);
}

VisionWeights load_vision(Loader& loader, const VisionConfig& c, int64_t text_dim) {
  const std::string at = "vision_tower.";
  const int64_t dim = c.dim;
  VisionWeights w;
  w.input_proj = load_pixel_matrix(loader, at + "patch_embedder.input_proj.weight", dim, c.patch, true);
  w.position_table = loader.table(at + "patch_embedder.position_embedding_table", {2, c.positions, dim});
  for (int i = 0; i < c.layers; ++i) {
    w.layers.push_back(load_vision_layer(loader, c, fmt::format("{}encoder.layers.{}.", at, i)));
  }
  if (c.standardized) {
    w.minus_std_bias = loader.vector(at + "std_bias", dim, -1.0f);
    w.std_scale = loader.vector(at + "std_scale", dim);
  }
  w.projection = loader.linear("embed_vision.embedding_projection.weight", {text_dim, dim});
  return w;
}

Tensor upload(Ops& ops, const std::vector<float>& values, Shape shape) {
  return values.empty() ? Tensor() : ops.upload(DType::f32, shape, std::as_bytes(std::span(values)));
}

/** [out, in, 3, 3] -> [out, 3, 3, in]: rows as conv2d reads a neighbourhood. */
ConvWeights load_conv(Loader& loader, const std::string& at, int64_t in, int64_t out, Ops& ops) {
  constexpr int64_t kSide = 3, kPlaces = kSide * kSide;
  const std::vector<float> w = loader.floats(at + "conv.weight", {out, in, kSide, kSide});
  std::vector<float> turned(w.size());
  for (size_t i = 0; i < w.size(); ++i) {
    const auto n = static_cast<int64_t>(i), row = n / (in * kPlaces), channel = n / kPlaces % in, place = n % kPlaces;
    turned[static_cast<size_t>((row * kPlaces + place) * in + channel)] = w[i];
  }
  return {upload(ops, turned, Shape{out, kPlaces * in}), loader.norm(at + "norm.weight", out)};
}

/** [dim, 1, kernel] -> [kernel, dim]. */
Tensor load_depthwise(Loader& loader, const std::string& name, const AudioConfig& c, Ops& ops) {
  const std::vector<float> w =
      loader.from_gguf() ? loader.floats(name, {c.dim, c.kernel}) : loader.floats(name, {c.dim, 1, c.kernel});
  const auto kernel = static_cast<size_t>(c.kernel), dim = static_cast<size_t>(c.dim);
  std::vector<float> turned(w.size());
  for (size_t i = 0; i < w.size(); ++i) turned[i % kernel * dim + i / kernel] = w[i];
  return upload(ops, turned, Shape{c.kernel, c.dim});
}

Tensor load_q_scale(Loader& loader, const std::string& name, const AudioConfig& c, Ops& ops) {
  const int64_t d = c.dim / c.heads;
  const std::vector<float> per_dim = loader.floats(name, {d});
  const double scale = 1.0 / std::sqrt(static_cast<double>(d)) / std::log(2.0);
  std::vector<float> all;
  for (int64_t i = 0; !per_dim.empty() && i < c.dim; ++i) {
    const double x = double{per_dim[static_cast<size_t>(i % d)]};
    const double softplus = std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    all.push_back(static_cast<float>(scale * (loader.from_gguf() ? x : softplus)));  // there it is applied already
  }
  return upload(ops, all, Shape{c.dim});
}

AudioFeedForwardWeights load_feed_forward(Loader& loader, const AudioConfig& c, const std::string& at) {
  const int64_t dim = c.dim, width = kAudioWidening * dim;
  return {loader.norm(at + "pre_layer_norm.weight", dim),
          loader.vector(at + "post_layer_norm.weight", dim, c.residual_weight),
          load_clipped(loader, at + "ffw_layer_1", {width, dim}, c.clipped),
          load_clipped(loader, at + "ffw_layer_2", {dim, width}, c.clipped)};
}

AudioLayerWeights load_audio_layer(Loader& loader, const AudioConfig& c, const std::string& at, Ops& ops) {
  const int64_t dim = c.dim;
  const auto square = [&](const char* name) { return load_clipped(loader, at + name, {dim, dim}, c.clipped); };
  AudioLayerWeights w;
  w.feed_forward1 = load_feed_forward(loader, c, at + "feed_forward1.");
  w.feed_forward2 = load_feed_forward(loader, c, at + "feed_forward2.");
  w.norm_pre_attn = loader.norm(at + "norm_pre_attn.weight", dim);
  w.norm_post_attn = loader.norm(at + "norm_post_attn.weight", dim);
  w.norm_out = loader.norm(at + "norm_out.weight", dim);
  w.q = square("self_attn.q_proj");
  w.k = square("self_attn.k_proj");
  w.v = square("self_attn.v_proj");
  w.post = square("self_attn.post");
  w.q_scale = load_q_scale(loader, at + "self_attn.per_dim_scale", c, ops);
  w.relative_k = loader.linear(at + "self_attn.relative_k_proj.weight", {dim, dim});
  w.convolution.pre_layer_norm = loader.norm(at + "lconv1d.pre_layer_norm.weight", dim);
  w.convolution.conv_norm = loader.norm(at + "lconv1d.conv_norm.weight", dim);
  w.convolution.start = load_clipped(loader, at + "lconv1d.linear_start", {2 * dim, dim}, c.clipped);
  w.convolution.end = square("lconv1d.linear_end");
  w.convolution.depthwise = load_depthwise(loader, at + "lconv1d.depthwise_conv1d.weight", c, ops);
  return w;
}

AudioWeights load_audio(Loader& loader, const AudioConfig& c, int64_t text_dim, Ops& ops) {
  const std::string at = "audio_tower.", sub = at + "subsample_conv_projection.";
  const int64_t bins = (c.mel_bins + 3) / 4;  // halved twice
  AudioWeights w;
  w.subsample = {load_conv(loader, sub + "layer0.", 1, c.channels[0], ops),
                 load_conv(loader, sub + "layer1.", c.channels[0], c.channels[1], ops)};
  w.input_proj = loader.linear(sub + "input_proj_linear.weight", {c.dim, bins * c.channels[1]});
  for (int i = 0; i < c.layers; ++i) {
    w.layers.push_back(load_audio_layer(loader, c, fmt::format("{}layers.{}.", at, i), ops));
  }
  w.output_proj = loader.linear(at + "output_proj.weight", {c.output_dim, c.dim});
  w.output_bias = loader.vector(at + "output_proj.bias", c.output_dim);
  w.projection = loader.linear("embed_audio.embedding_projection.weight", {text_dim, c.output_dim});
  return w;
}

LayerNormWeights load_layer_norm(Loader& loader, const std::string& at, int64_t size) {
  return {loader.norm(at + ".weight", size), loader.vector(at + ".bias", size)};
}

Tensor load_pixel_vector(Loader& loader, const std::string& name, int64_t side, Ops& ops) {
  std::vector<float> values = loader.floats(name, {3 * side * side});
  if (loader.from_gguf() && !values.empty()) {
    const std::vector<float> stored = values;
    const std::vector<int64_t> order = places_in_gguf(side);
    for (size_t i = 0; i < values.size(); ++i) values[i] = stored[static_cast<size_t>(order[i])];
  }
  return upload(ops, values, Shape{3 * side * side});
}

PixelBlockWeights load_pixel_blocks(Loader& loader, const PixelBlockConfig& c, int64_t text_dim, Ops& ops) {
  const std::string at = "vision_embedder.";
  PixelBlockWeights w;
  w.patch_ln1 = {load_pixel_vector(loader, at + "patch_ln1.weight", c.side, ops),
                 load_pixel_vector(loader, at + "patch_ln1.bias", c.side, ops)};
  w.patch_dense = load_pixel_matrix(loader, at + "patch_dense.weight", c.dim, c.side, false);
  w.patch_bias = loader.vector(at + "patch_dense.bias", c.dim);
  w.patch_ln2 = load_layer_norm(loader, at + "patch_ln2", c.dim);
  w.by_axis = loader.from_gguf();
  w.position_table = w.by_axis ? loader.table(at + "pos_embedding", {2, c.positions, c.dim})
                               : loader.table(at + "pos_embedding", {c.positions, 2, c.dim});
  w.pos_norm = load_layer_norm(loader, at + "pos_norm", c.dim);
  w.projection = loader.linear("embed_vision.embedding_projection.weight", {text_dim, c.dim});
  return w;
}

void read(Encoders& e, Loader& loader, const Config& text, Ops& ops) {
  if (e.config.pixel_blocks) e.pixel_blocks = load_pixel_blocks(loader, *e.config.pixel_blocks, text.dim, ops);
  if (const auto& frames = e.config.sample_frames) {
    e.sample_projection = loader.linear("embed_audio.embedding_projection.weight", {text.dim, frames->samples});
  }
  if (e.config.audio) e.audio = load_audio(loader, *e.config.audio, text.dim, ops);
  if (e.config.vision) e.vision = load_vision(loader, *e.config.vision, text.dim);
}

int64_t patch_values(const VisionConfig& c) { return 3 * int64_t{c.patch} * c.patch; }

/** For distance n and frequencies f_t from 1 down to 1/10000: sin(n f_t) for all t, then the cosines. */
Tensor distance_table(const AudioConfig& c, Ops& ops) {
  const int64_t half = c.dim / 2;
  std::vector<float> table;
  table.reserve(static_cast<size_t>(c.distances) * static_cast<size_t>(c.dim));
  std::vector<double> frequencies;
  for (int64_t t = 0; t < half; ++t) {
    frequencies.push_back(std::exp(static_cast<double>(-t) * std::log(10000.0) / std::max<double>(half - 1, 1)));
  }
  for (int64_t n = 0; n < c.distances; ++n) {
    for (const double f : frequencies) table.push_back(static_cast<float>(std::sin(static_cast<double>(n) * f)));
    for (const double f : frequencies) table.push_back(static_cast<float>(std::cos(static_cast<double>(n) * f)));
  }
  return upload(ops, table, Shape{c.distances, c.dim});
}

/** What no file holds is made of the configuration alone. Its bytes: */
int64_t bytes_of_made(const MediaConfig& c) {
  return bytes_of(DType::f32, (c.vision ? patch_values(*c.vision) : 0) +
                                  (c.audio ? int64_t{c.audio->distances} * c.audio->dim : 0));
}

void make(Encoders& e, Ops& ops) {
  if (e.vision) {
    const int64_t n = patch_values(*e.config.vision);
    e.vision->centre = upload(ops, std::vector<float>(static_cast<size_t>(n), -1.0f), Shape{n});
  }
  if (e.audio) e.audio->distances = distance_table(*e.config.audio, ops);
}

}  // namespace

Tensor linear(Ops& ops, const ClippedLinear& w, const Tensor& x) {
  return w.bounds ? ops.clipped_linear(x, w.linear.w, *w.bounds) : ops.linear(x, w.linear.w);
}

std::shared_ptr<const Encoders> Encoders::load(const ModelFile& file, MediaConfig config, const Config& text, Ops& ops,
                                               WeightOptions options) {
  auto encoders = std::make_shared<Encoders>();
  encoders->config = std::move(config);
  Loader counter(file, text, ops, {.weights = options, .count_only = true});
  read(*encoders, counter, text, ops);
  require_memory(file.name(), "encoders of media", counter.bytes() + bytes_of_made(encoders->config) + options.leave);
  Loader loader(file, text, ops, {.weights = options});
  read(*encoders, loader, text, ops);
  make(*encoders, ops);
  return encoders;
}

std::shared_ptr<const Encoders> Encoders::load(const ModelFile& file, const Config& text, Ops& ops,
                                               WeightOptions options) {
  return load(file, MediaConfig::from(file), text, ops, options);
}

}  // namespace gemma
