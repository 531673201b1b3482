// SPDX-License-Identifier: Apache-2.0
// Pictures to soft tokens by the vision tower (spec section 9). A frame of a film is a picture.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/encoder_weights.h"
#include "model/patches.h"

namespace gemma {

/** A picture on its way through the tower, a slice of a layer at a time, so that others may be served in between.
 *
 *    VisionEncoding encoding(ops, encoders, patches);
 *    while (!encoding.done()) encoding.advance();
 *    encoding.soft_tokens();
 */
class VisionEncoding {
 public:
  /** Multiplications in a slice: a layer of a picture of 280 soft tokens, a sixth of one of 1120; half a second of two
   *  cores with AVX2. */
  static constexpr int64_t kSlice = 44'000'000'000;

  /** `encoders` has a vision tower and outlives this. The grid is one of whole soft tokens, and within the tower's
   *  table of positions. slice: what one call of advance() does, about; results do not depend on it. */
  VisionEncoding(Ops& ops, const Encoders& encoders, const Patches& picture, int64_t slice = kSlice);

  bool done() const { return soft_tokens_.defined(); }
  /** A layer more, or a slice of it where it is longer, or what comes after the last. */
  void advance();
  /** [patches / pool^2, text dim], when done. */
  const Tensor& soft_tokens() const { return soft_tokens_; }

  /** Of so many patches, those that go through a layer together for so many multiplications, or a few at least. */
  static int64_t rows_within(const VisionConfig& config, int64_t patches, int64_t multiplications);

 private:
  int64_t make_keys();
  void tap_heads(std::string_view name, const Tensor& x) const;
  Tensor attend(int64_t rows);
  Tensor pass(int64_t rows);
  void finish();
  const VisionLayerWeights& layer() const { return weights_.layers[static_cast<size_t>(layer_)]; }

  Ops& ops_;
  const VisionConfig& config_;
  const VisionWeights& weights_;
  int64_t columns_;
  int64_t slice_;
  int layer_ = 0;
  int64_t through_ = 0;  // rows that are through the layer
  Tensor x_;             // [patches, dim]: of these rows what comes out of the layer, of the others what goes in
  Tensor q_;             // of all rows, as keys and values, while some are still to go through
  DenseKeys keys_;
  Tensor soft_tokens_;
};

}  // namespace gemma
