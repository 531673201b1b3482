// SPDX-License-Identifier: Apache-2.0
#include "model/vision.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "model/projector.h"

namespace gemma {
namespace {

/** (2 pixels - 1) . input_proj + table[0][column] + table[1][row]. */
Tensor embed_patches(Ops& ops, const VisionConfig& c, const VisionWeights& w, const Patches& picture) {
  std::vector<int32_t> column, row;
  for (int64_t i = 0; i < picture.pixels.rows(); ++i) {
    column.push_back(static_cast<int32_t>(i % picture.columns));
    row.push_back(static_cast<int32_t>(c.positions + i / picture.columns));
  }
  const Tensor x = ops.linear(ops.add(ops.scale(picture.pixels, 2.0f), w.centre), w.input_proj.w);
  const Tensor place = ops.add(ops.embed(w.position_table, column, 1.0f), ops.embed(w.position_table, row, 1.0f));
  return ops.add(x, place);
}

Tensor mlp(Ops& ops, const VisionLayerWeights& w, const Tensor& x) {
  return linear(ops, w.down, ops.gated_gelu(linear(ops, w.gate, x), linear(ops, w.up, x)));
}

}  // namespace

VisionEncoding::VisionEncoding(Ops& ops, const Encoders& encoders, const Patches& picture)
    : ops_(ops), config_(*encoders.config.vision), weights_(*encoders.vision), columns_(picture.columns) {
  GEMMA_CHECK(picture.fits(config_.pool, config_.positions), "a grid of whole soft tokens whose places the table has");
  x_ = embed_patches(ops, config_, weights_, picture);
  ops_.tap("vision.patch_embed", x_);
}

/** All patches of a picture see one another; no scale, since q and k are normed. */
Tensor VisionEncoding::attention(const VisionLayerWeights& w, const Tensor& x) const {
  const float eps = config_.norm_eps;
  const int64_t d = config_.head_dim;
  Tensor q = ops_.rms_norm(linear(ops_, w.q, x), &w.q_norm, eps, d);
  Tensor k = ops_.rms_norm(linear(ops_, w.k, x), &w.k_norm, eps, d);
  q = ops_.rope_2d(q, columns_, config_.inverse_frequency, d);
  k = ops_.rope_2d(k, columns_, config_.inverse_frequency, d);
  const Tensor v = ops_.rms_norm(linear(ops_, w.v, x), nullptr, eps, d);
  const Tensor context = ops_.attention_dense(q, k, v, d);
  if (ops_.listening()) {
    const auto tap = [&](const char* name, const Tensor& t) {
      ops_.tap(fmt::format("vision.layer.{}.attn.{}", layer_, name), t.view(Shape{t.rows(), t.cols() / d, d}));
    };
    tap("q", q), tap("k", k), tap("v", v), tap("ctx", context);
  }
  return linear(ops_, w.o, context);
}

void VisionEncoding::advance() {
  GEMMA_CHECK(!done(), "layers that are left");
  if (layer_ == config_.layers) return finish();
  const VisionLayerWeights& w = weights_.layers[static_cast<size_t>(layer_)];
  const float eps = config_.norm_eps;
  Tensor h = attention(w, ops_.rms_norm(x_, &w.input_layernorm, eps));
  x_ = ops_.add_norm(x_, h, w.post_attention_layernorm, eps);
  h = mlp(ops_, w, ops_.rms_norm(x_, &w.pre_feedforward_layernorm, eps));
  x_ = ops_.add_norm(x_, h, w.post_feedforward_layernorm, eps);
  ++layer_;
  if (ops_.listening()) ops_.tap(fmt::format("vision.hidden.{}", layer_), x_);
}

/** Each cell of patches becomes one soft token. */
void VisionEncoding::finish() {
  x_ = ops_.pool(x_, columns_, config_.pool, std::sqrt(static_cast<float>(config_.dim)));
  ops_.tap("vision.pooled", x_);
  if (config_.standardized) x_ = ops_.mul(ops_.add(x_, weights_.minus_std_bias), weights_.std_scale);
  ops_.tap("vision.tower_out", x_);
  soft_tokens_ = project(ops_, x_, weights_.projection, config_.norm_eps);
  ops_.tap("vision.soft_tokens", soft_tokens_);
  x_ = {};
}

}  // namespace gemma
