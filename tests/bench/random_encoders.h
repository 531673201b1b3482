// SPDX-License-Identifier: Apache-2.0
// Encoders of E2B's shape with random weights, for measuring speed and memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "model/encoding.h"
#include "tensor/pack.h"

namespace gemma {

/** Small enough for activations to stay finite. layers: of each tower; 0: as many as E2B has. */
class RandomEncoders {
 public:
  RandomEncoders(Ops& ops, DType type, int layers = 0) : ops_(ops), type_(type), layers_(layers) {}

  Encoders make() {
    Encoders e;
    e.config.vision = vision_config();
    e.config.audio = audio_config();
    if (layers_ > 0) e.config.vision->layers = e.config.audio->layers = layers_;
    e.vision = vision(*e.config.vision);
    e.audio = audio(*e.config.audio);
    return e;
  }

 private:
  static constexpr int64_t kTextDim = 1536;

  static VisionConfig vision_config() {
    VisionConfig c;
    c.dim = 768, c.layers = 16, c.heads = 12, c.head_dim = 64, c.mlp_width = 3072;
    c.patch = 16, c.pool = 3, c.positions = 10240, c.clipped = true;
    for (int i = 0; i < 16; ++i) c.inverse_frequency.push_back(std::pow(100.0f, -static_cast<float>(i) / 16.0f));
    return c;
  }
  static AudioConfig audio_config() {
    AudioConfig c;
    c.dim = 1024, c.layers = 12, c.heads = 8, c.output_dim = 1536, c.mel_bins = 128, c.kernel = 5;
    c.channels = {128, 32}, c.distances = c.window = 13, c.logit_cap = 50, c.residual_weight = 0.5f, c.clipped = true;
    return c;
  }

  Tensor values(Shape shape, float spread) {
    std::vector<float> x(static_cast<size_t>(shape.count()));
    for (float& v : x) v = spread * (static_cast<float>(dice_() & 0xFFFF) / 32768.0f - 1.0f);
    return Tensor::from(std::span<const float>(x), shape);
  }
  Linear matrix(int64_t out, int64_t in) {
    const Tensor x = values({out, in}, 1.7f / std::sqrt(static_cast<float>(in)));
    Tensor w = Tensor::host(type_, x.shape());
    pack(type_, x.data<float>(), w.raw_mutable());
    return {ops_.prepare_weight(std::move(w)), ""};
  }
  ClippedLinear clipped(int64_t out, int64_t in) { return {matrix(out, in), Bounds{-20, 20, -20, 20}}; }
  Tensor ones(int64_t n) {
    const std::vector<float> x(static_cast<size_t>(n), 1.0f);
    return Tensor::from(std::span<const float>(x), Shape{n});
  }

  VisionWeights vision(const VisionConfig& c) {
    VisionWeights w;
    w.input_proj = matrix(c.dim, 768);
    w.position_table = values({2 * c.positions, c.dim}, 0.1f);
    w.centre = ops_.scale(ones(768), -1.0f);
    for (int i = 0; i < c.layers; ++i) {
      VisionLayerWeights l;
      for (Tensor* norm : {&l.input_layernorm, &l.post_attention_layernorm, &l.pre_feedforward_layernorm,
                           &l.post_feedforward_layernorm}) {
        *norm = ones(c.dim);
      }
      for (ClippedLinear* each : {&l.q, &l.k, &l.v, &l.o}) *each = clipped(c.dim, c.dim);
      l.q_norm = l.k_norm = ops_.scale(ones(c.head_dim), 0.4f);
      l.gate = clipped(c.mlp_width, c.dim);
      l.up = clipped(c.mlp_width, c.dim);
      l.down = clipped(c.dim, c.mlp_width);
      w.layers.push_back(std::move(l));
    }
    w.projection = matrix(kTextDim, c.dim);
    return w;
  }

  AudioFeedForwardWeights feed_forward(int64_t dim) {
    return {ones(dim), ops_.scale(ones(dim), 0.5f), clipped(4 * dim, dim), clipped(dim, 4 * dim)};
  }

  AudioWeights audio(const AudioConfig& c) {
    AudioWeights w;
    w.subsample = {ConvWeights{values({c.channels[0], 9}, 0.5f), ones(c.channels[0])},
                   ConvWeights{values({c.channels[1], 9 * c.channels[0]}, 0.05f), ones(c.channels[1])}};
    w.input_proj = matrix(c.dim, 1024);
    w.distances = values({c.distances, c.dim}, 1.0f);
    for (int i = 0; i < c.layers; ++i) {
      AudioLayerWeights l;
      l.feed_forward1 = feed_forward(c.dim);
      l.feed_forward2 = feed_forward(c.dim);
      l.norm_pre_attn = l.norm_post_attn = l.norm_out = ones(c.dim);
      for (ClippedLinear* each : {&l.q, &l.k, &l.v, &l.post}) *each = clipped(c.dim, c.dim);
      l.q_scale = ops_.scale(ones(c.dim), 0.1f);
      l.relative_k = matrix(c.dim, c.dim);
      l.convolution = {ones(c.dim), ones(c.dim), clipped(2 * c.dim, c.dim), clipped(c.dim, c.dim),
                       values({c.kernel, c.dim}, 0.5f)};
      w.layers.push_back(std::move(l));
    }
    w.output_proj = matrix(c.output_dim, c.dim);
    w.output_bias = ones(c.output_dim);
    w.projection = matrix(kTextDim, c.output_dim);
    return w;
  }

  Ops& ops_;
  DType type_;
  int layers_;
  std::mt19937 dice_{7};
};

}  // namespace gemma
