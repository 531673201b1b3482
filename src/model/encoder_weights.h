// SPDX-License-Identifier: Apache-2.0
// The weights of the parts that turn pictures and sound into soft tokens, under the reference's names, one struct a
// part; loaded apart from the text model, of whose folder they are, or which they accompany as a file of their own.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "config/config.h"
#include "config/media_config.h"
#include "model/weights.h"

namespace gemma {

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

struct ConvWeights {
  Tensor w, norm;  // [out, 3 * 3 * in] (by step in time, in mel bins, channel), [out]
};

/** norm, up, SiLU, down, norm: half of it is added. */
struct AudioFeedForwardWeights {
  Tensor pre_layer_norm, post_layer_norm;  // the latter times the residual weight
  ClippedLinear up, down;                  // ffw_layer_1, ffw_layer_2
};

struct AudioConvolutionWeights {
  Tensor pre_layer_norm, conv_norm;
  ClippedLinear start, end;
  Tensor depthwise;  // [kernel, dim]
};

struct AudioLayerWeights {
  AudioFeedForwardWeights feed_forward1, feed_forward2;
  Tensor norm_pre_attn, norm_post_attn, norm_out;
  ClippedLinear q, k, v, post;
  Tensor q_scale;     // [dim]: head_dim^(-1/2) / ln 2 * softplus(per_dim_scale), for each head the same
  Linear relative_k;  // [dim, dim]
  AudioConvolutionWeights convolution;
};

struct AudioWeights {
  std::array<ConvWeights, 2> subsample;
  Linear input_proj;  // [dim, mel bins / 4 * channels]
  Tensor distances;   // [distances, dim]: sines and cosines of 0, 1, ...
  std::vector<AudioLayerWeights> layers;
  Linear output_proj;  // [output dim, dim]
  Tensor output_bias;
  Linear projection;  // to the text model: [text dim, output dim]
};

struct LayerNormWeights {
  Tensor weight, bias;
};

/** The 12B's (spec: gemma4_unified.md). */
struct PixelBlockWeights {
  LayerNormWeights patch_ln1, patch_ln2, pos_norm;  // [3 side^2], [dim], [dim]
  Linear patch_dense;                               // [dim, 3 side^2]
  Tensor patch_bias;
  Tensor position_table;  // [2 positions, dim]
  bool by_axis = false;   // whether the table has all columns' entries before the rows', or both of a place together
  Linear projection;      // [text dim, dim]

  int64_t column_entry(int64_t column) const { return by_axis ? column : 2 * column; }
  int64_t row_entry(int64_t row) const { return by_axis ? position_table.rows() / 2 + row : 2 * row + 1; }
};

struct Encoders {
  MediaConfig config;
  std::optional<VisionWeights> vision;
  std::optional<AudioWeights> audio;
  std::optional<PixelBlockWeights> pixel_blocks;
  std::optional<Linear> sample_projection;  // [text dim, samples]

  /** The encoders of `file`, whose text model is `text`. Fails with name, expected and found shape; before anything is
   *  read when memory does not suffice. */
  static std::shared_ptr<const Encoders> load(const ModelFile& file, const Config& text, Ops& ops,
                                              WeightOptions options = {});
  /** With a config other than the file's own. */
  static std::shared_ptr<const Encoders> load(const ModelFile& file, MediaConfig config, const Config& text, Ops& ops,
                                              WeightOptions options = {});
};

}  // namespace gemma
