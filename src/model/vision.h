// SPDX-License-Identifier: Apache-2.0
// Pictures to soft tokens by the vision tower (spec section 9). A frame of a film is a picture.
#pragma once

#include <cstdint>

#include "model/encoder_weights.h"
#include "model/patches.h"

namespace gemma {

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
