// SPDX-License-Identifier: Apache-2.0
#include "model/vision.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/projector.h"

namespace gemma {
namespace {

constexpr int64_t kRows = 96;  // a slice has a multiple of: fewer make products and attention wait for memory

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

std::vector<int32_t> numbers(int64_t first, int64_t count) {
  std::vector<int32_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), static_cast<int32_t>(first));
  return all;
}

}  // namespace

VisionEncoding::VisionEncoding(Ops& ops, const Encoders& encoders, const Patches& picture, int64_t slice)
    : ops_(ops),
      config_(*encoders.config.vision),
      weights_(*encoders.vision),
      columns_(picture.columns),
      slice_(slice) {
  GEMMA_CHECK(picture.fits(config_.pool, config_.positions), "a grid of whole soft tokens whose places the table has");
  x_ = embed_patches(ops, config_, weights_, picture);
  ops_.tap("vision.patch_embed", x_);
}

int64_t VisionEncoding::rows_within(const VisionConfig& config, int64_t patches, int64_t multiplications) {
  const int64_t heads = int64_t{config.heads} * config.head_dim;
  const int64_t of_row = 2 * patches * heads + config.dim * (heads + int64_t{3} * config.mlp_width);
  return std::min(std::max<int64_t>(multiplications / of_row / kRows, 1) * kRows, patches);
}

void VisionEncoding::tap_heads(std::string_view name, const Tensor& x) const {
  if (!ops_.listening()) return;
  const int64_t d = config_.head_dim;
  ops_.tap(fmt::format("vision.layer.{}.attn.{}", layer_, name), x.view(Shape{x.rows(), x.cols() / d, d}));
}

/** Queries, keys and values of all patches, which see one another; the multiplications that took. No scale is needed,
 *  since q and k are normed. */
int64_t VisionEncoding::make_keys() {
  const VisionLayerWeights& w = layer();
  const float eps = config_.norm_eps;
  const int64_t d = config_.head_dim;
  const Tensor x = ops_.rms_norm(x_, &w.input_layernorm, eps);
  q_ = ops_.rope_2d(ops_.rms_norm(linear(ops_, w.q, x), &w.q_norm, eps, d), columns_, config_.inverse_frequency, d);
  const Tensor k =
      ops_.rope_2d(ops_.rms_norm(linear(ops_, w.k, x), &w.k_norm, eps, d), columns_, config_.inverse_frequency, d);
  const Tensor v = ops_.rms_norm(linear(ops_, w.v, x), nullptr, eps, d);
  tap_heads("q", q_), tap_heads("k", k), tap_heads("v", v);
  keys_ = ops_.dense_keys(k, v, d);
  return 3 * x.rows() * x.cols() * q_.cols();
}

/** What the next rows see. With the last of them nobody needs keys any more. */
Tensor VisionEncoding::attend(int64_t rows) {
  Tensor context = ops_.attention_dense(q_.slice(through_, rows), keys_);
  if (through_ + rows < x_.rows()) return context;
  tap_heads("ctx", context);
  q_ = {};
  keys_ = {};
  return context;
}

/** The next rows, from what they see to the layer's end. */
Tensor VisionEncoding::pass(int64_t rows) {
  const VisionLayerWeights& w = layer();
  const float eps = config_.norm_eps;
  Tensor h = linear(ops_, w.o, attend(rows));
  const Tensor x = ops_.add_norm(x_.slice(through_, rows), h, w.post_attention_layernorm, eps);
  h = mlp(ops_, w, ops_.rms_norm(x, &w.pre_feedforward_layernorm, eps));
  return ops_.add_norm(x, h, w.post_feedforward_layernorm, eps);
}

void VisionEncoding::advance() {
  GEMMA_CHECK(!done(), "layers that are left");
  if (layer_ == config_.layers) return finish();
  int64_t room = ops_.listening() ? std::numeric_limits<int64_t>::max() : slice_;  // who listens has layers whole
  if (!q_.defined()) room -= make_keys();
  const int64_t rows = std::min(rows_within(config_, x_.rows(), room), x_.rows() - through_);
  const Tensor passed = pass(rows);
  if (rows == x_.rows()) {
    x_ = passed;
  } else {  // in place, since nobody else holds x_ then
    ops_.copy_pages(passed, numbers(0, rows), x_, numbers(through_, rows));
  }
  if ((through_ += rows) < x_.rows()) return;
  through_ = 0;
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
