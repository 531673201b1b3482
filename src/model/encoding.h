// SPDX-License-Identifier: Apache-2.0
// A picture, frame or clip on its way to soft tokens, by whatever its model has for that.
//
//   Encoding encoding = Encoding::picture(ops, encoders, patches);
//   while (!encoding.done()) encoding.advance();   // others may be served in between
//   encoding.soft_tokens();
#pragma once

#include <variant>

#include "model/audio.h"
#include "model/vision.h"

namespace gemma {

class Encoding {
 public:
  /** `encoders` sees, and outlives this; it has places for the picture's grid. */
  static Encoding picture(Ops& ops, const Encoders& encoders, const Patches& picture);
  /** `encoders` hears. frames: of mel features for a tower, of samples for the 12B; at least one. */
  static Encoding sound(Ops& ops, const Encoders& encoders, const Tensor& frames);

  bool done() const;
  /** One layer more. */
  void advance();
  /** f32 [soft tokens, text dim], when done. */
  const Tensor& soft_tokens() const;

 private:
  using State = std::variant<Tensor, VisionEncoding, AudioEncoding>;
  explicit Encoding(State state) : state_(std::move(state)) {}

  State state_;
};

}  // namespace gemma
