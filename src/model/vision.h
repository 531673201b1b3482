// SPDX-License-Identifier: Apache-2.0
// Pictures to soft tokens by the vision tower (spec section 9). A frame of a film is a picture.
#pragma once

#include <cstdint>

#include "model/encoder_weights.h"

namespace gemma {

/** A picture cut into squares, row by row of a grid. */
struct Patches {
  Tensor pixels;        // f32 [squares, side * side * 3], 0 .. 1; within a square by row, column, colour
  int64_t columns = 0;  // of the grid

  int64_t rows() const { return pixels.rows() / columns; }
};

/** A picture on its way through the tower, layer by layer, so that others may be served in between.
 *
 *    VisionEncoding encoding(ops, encoders, patches);
 *    while (!encoding.done()) encoding.advance();
 *    encoding.soft_tokens();
 */
class VisionEncoding {
 public:
  /** `encoders` has a vision tower and outlives this. The grid is one of whole soft tokens, and within the tower's
   *  table of positions. */
  VisionEncoding(Ops& ops, const Encoders& encoders, const Patches& picture);

  bool done() const { return soft_tokens_.defined(); }
  /** One layer more, or what comes after the last. */
  void advance();
  /** [patches / pool^2, text dim], when done. */
  const Tensor& soft_tokens() const { return soft_tokens_; }

 private:
  Tensor attention(const VisionLayerWeights& w, const Tensor& x) const;
  void finish();

  Ops& ops_;
  const VisionConfig& config_;
  const VisionWeights& weights_;
  int64_t columns_;
  int layer_ = 0;
  Tensor x_;  // [patches, dim]
  Tensor soft_tokens_;
};

}  // namespace gemma
