// SPDX-License-Identifier: Apache-2.0
#include "model/unified.h"

#include <vector>

#include "base/error.h"
#include "model/projector.h"

namespace gemma {
namespace {

constexpr float kLayerNormEps = 1e-5f;  // in no config

Tensor layer_norm(Ops& ops, const LayerNormWeights& w, const Tensor& x) {
  return ops.layer_norm(x, w.weight, &w.bias, kLayerNormEps);
}

/** pos_embedding[column, 0] + pos_embedding[row, 1]. */
Tensor places(Ops& ops, const PixelBlockWeights& w, const Patches& picture) {
  std::vector<int32_t> column, row;
  for (int64_t i = 0; i < picture.pixels.rows(); ++i) {
    column.push_back(static_cast<int32_t>(w.column_entry(i % picture.columns)));
    row.push_back(static_cast<int32_t>(w.row_entry(i / picture.columns)));
  }
  return ops.add(ops.embed(w.position_table, column, 1.0f), ops.embed(w.position_table, row, 1.0f));
}

}  // namespace

Tensor encode_pixel_blocks(Ops& ops, const Encoders& encoders, const Patches& picture) {
  const PixelBlockConfig& c = *encoders.config.pixel_blocks;
  const PixelBlockWeights& w = *encoders.pixel_blocks;
  GEMMA_CHECK(picture.fits(1, c.positions), "a grid of blocks whose places the table has");
  Tensor x = ops.linear(layer_norm(ops, w.patch_ln1, picture.pixels), w.patch_dense.w);
  x = ops.add(x, w.patch_bias);
  ops.tap("vision.patch_dense", x);
  x = layer_norm(ops, w.patch_ln2, x);
  ops.tap("vision.patch_ln2", x);
  x = layer_norm(ops, w.pos_norm, ops.add(x, places(ops, w, picture)));
  ops.tap("vision.pos_norm", x);
  const Tensor soft = project(ops, x, w.projection, c.norm_eps);
  ops.tap("vision.soft_tokens", soft);
  return soft;
}

Tensor encode_samples(Ops& ops, const Encoders& encoders, const Tensor& samples) {
  const SampleFrameConfig& c = *encoders.config.sample_frames;
  GEMMA_CHECK(samples.rows() > 0 && samples.cols() == c.samples, "frames of samples");
  const Tensor soft = project(ops, samples, *encoders.sample_projection, c.norm_eps);
  ops.tap("audio.soft_tokens", soft);
  return soft;
}

}  // namespace gemma
