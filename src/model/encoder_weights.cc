// SPDX-License-Identifier: Apache-2.0
#include "model/encoder_weights.h"

#include <string>
#include <utility>

#include "base/memory.h"
#include "model/loader.h"

namespace gemma {
namespace {

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

VisionWeights load_vision(Loader& loader, const VisionConfig& c, int64_t text_dim, Ops& ops) {
  const std::string at = "vision_tower.";
  const int64_t dim = c.dim, pixels = 3 * int64_t{c.patch} * c.patch;
  VisionWeights w;
  w.input_proj = loader.linear(at + "patch_embedder.input_proj.weight", {dim, pixels});
  w.position_table = loader.table(at + "patch_embedder.position_embedding_table", {2, c.positions, dim});
  const std::vector<float> minus_one(static_cast<size_t>(pixels), -1.0f);
  w.centre = ops.upload(DType::f32, Shape{pixels}, std::as_bytes(std::span(minus_one)));
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

void read(Encoders& e, Loader& loader, const Config& text, Ops& ops) {
  if (e.config.vision) e.vision = load_vision(loader, *e.config.vision, text.dim, ops);
}

}  // namespace

Tensor linear(Ops& ops, const ClippedLinear& w, const Tensor& x) {
  if (!w.bounds) return ops.linear(x, w.linear.w);
  const Tensor y = ops.linear(ops.clamp(x, w.bounds->input_min, w.bounds->input_max), w.linear.w);
  return ops.clamp(y, w.bounds->output_min, w.bounds->output_max);
}

std::shared_ptr<const Encoders> Encoders::load(const ModelFile& file, MediaConfig config, const Config& text, Ops& ops,
                                               WeightOptions options) {
  auto encoders = std::make_shared<Encoders>();
  encoders->config = std::move(config);
  Loader counter(file, text, ops, {.weights = options, .count_only = true});
  read(*encoders, counter, text, ops);
  require_memory(file.name(), "encoders of media", counter.bytes());
  Loader loader(file, text, ops, {.weights = options});
  read(*encoders, loader, text, ops);
  return encoders;
}

std::shared_ptr<const Encoders> Encoders::load(const ModelFile& file, const Config& text, Ops& ops,
                                               WeightOptions options) {
  return load(file, MediaConfig::from(file), text, ops, options);
}

}  // namespace gemma
