// SPDX-License-Identifier: Apache-2.0
// A picture, frame or clip on its way to soft tokens, by whatever its model has for that.
//
//   Encoding encoding = Encoding::of(ops, encoders, {patches, {}});
//   while (!encoding.done()) encoding.advance();   // others may be served in between
//   encoding.soft_tokens();
#pragma once

#include <variant>

#include "base/error.h"
#include "model/audio.h"
#include "model/media_input.h"
#include "model/vision.h"

namespace gemma {

class Encoding {
 public:
  /** `encoders` can encode it (soft_tokens_of), and outlives this. Pixels in bytes are scaled by 1/255, in f32. */
  static Encoding of(Ops& ops, const Encoders& encoders, const MediaInput& input);

  bool done() const;
  /** A layer more, or a slice of a large picture's (VisionEncoding). */
  void advance();
  /** f32 [soft tokens, text dim], when done. */
  const Tensor& soft_tokens() const;

 private:
  using State = std::variant<Tensor, VisionEncoding, AudioEncoding>;
  explicit Encoding(State state) : state_(std::move(state)) {}

  State state_;
};

}  // namespace gemma
