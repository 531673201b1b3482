// SPDX-License-Identifier: Apache-2.0
// Sound to soft tokens by the audio tower (spec section 11): convolutions that halve time twice, then layers that look
// back a few frames.
#pragma once

#include "model/encoder_weights.h"

namespace gemma {

/** A clip on its way through the tower, layer by layer, so that others may be served in between. */
class AudioEncoding {
 public:
  /** `mel`: f32 [frames, mel bins], frames of sound alone, without padding; at least one. `encoders` has an audio tower
   *  and outlives this. */
  AudioEncoding(Ops& ops, const Encoders& encoders, const Tensor& mel);

  bool done() const { return soft_tokens_.defined(); }
  /** One layer more, or what comes after the last. */
  void advance();
  /** [ceil(ceil(frames / 2) / 2), text dim], when done. */
  const Tensor& soft_tokens() const { return soft_tokens_; }

 private:
  Tensor subsample(const Tensor& mel) const;
  Tensor feed_forward(const AudioFeedForwardWeights& w, const Tensor& x) const;
  Tensor attention(const AudioLayerWeights& w, const Tensor& x) const;
  Tensor convolution(const AudioConvolutionWeights& w, const Tensor& x) const;
  void finish();
  void tap(const char* name, const Tensor& x) const;

  Ops& ops_;
  const AudioConfig& config_;
  const AudioWeights& weights_;
  int layer_ = 0;
  Tensor x_;  // [frames, dim]
  Tensor soft_tokens_;
};

}  // namespace gemma
