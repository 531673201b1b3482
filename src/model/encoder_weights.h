// SPDX-License-Identifier: Apache-2.0
// The weights of the parts that turn pictures and sound into soft tokens, under the reference's names, one struct a
// part; loaded apart from the text model, of whose folder they are, or which they accompany as a file of their own.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/config.h"
#include "config/media_config.h"
#include "model/weights.h"

namespace gemma {

/** Bounds of what goes into a product and of what comes out. */
struct Bounds {
  float input_min = 0, input_max = 0, output_min = 0, output_max = 0;
};

struct ClippedLinear {
  Linear linear;
  std::optional<Bounds> bounds;
};

Tensor linear(Ops& ops, const ClippedLinear& w, const Tensor& x);

struct VisionLayerWeights {
  Tensor input_layernorm, post_attention_layernorm, pre_feedforward_layernorm, post_feedforward_layernorm;
  ClippedLinear q, k, v, o, gate, up, down;
  Tensor q_norm, k_norm;  // [head_dim]
};

struct VisionWeights {
  Linear input_proj;      // [dim, 3 patch^2]
  Tensor position_table;  // [2 positions, dim]: of columns, behind them of rows
  Tensor centre;          // [3 patch^2] of -1: makes -1 .. 1 of twice the pixels
  std::vector<VisionLayerWeights> layers;
  Tensor minus_std_bias, std_scale;  // [dim]; undefined where soft tokens are not standardised
  Linear projection;                 // to the text model: [text dim, dim]
};

struct Encoders {
  MediaConfig config;
  std::optional<VisionWeights> vision;

  /** The encoders of `file`, whose text model is `text`. Fails with name, expected and found shape; before anything is
   *  read when memory does not suffice. */
  static std::shared_ptr<const Encoders> load(const ModelFile& file, const Config& text, Ops& ops,
                                              WeightOptions options = {});
  /** With a config other than the file's own. */
  static std::shared_ptr<const Encoders> load(const ModelFile& file, MediaConfig config, const Config& text, Ops& ops,
                                              WeightOptions options = {});
};

}  // namespace gemma
