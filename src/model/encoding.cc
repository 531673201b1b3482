// SPDX-License-Identifier: Apache-2.0
#include "model/encoding.h"

#include "base/error.h"
#include "model/unified.h"

namespace gemma {

Encoding Encoding::picture(Ops& ops, const Encoders& encoders, const Patches& picture) {
  GEMMA_CHECK(encoders.vision || encoders.pixel_blocks, "a model that sees");
  if (encoders.vision) return Encoding(VisionEncoding(ops, encoders, picture));
  return Encoding(encode_pixel_blocks(ops, encoders, picture));
}

Encoding Encoding::sound(Ops& ops, const Encoders& encoders, const Tensor& frames) {
  GEMMA_CHECK(encoders.audio || encoders.sample_projection, "a model that hears");
  if (encoders.audio) return Encoding(AudioEncoding(ops, encoders, frames));
  return Encoding(encode_samples(ops, encoders, frames));
}

bool Encoding::done() const { return soft_tokens().defined(); }

void Encoding::advance() {
  GEMMA_CHECK(!done(), "something left to do");
  if (auto* vision = std::get_if<VisionEncoding>(&state_)) return vision->advance();
  std::get<AudioEncoding>(state_).advance();
}

const Tensor& Encoding::soft_tokens() const {
  if (const auto* vision = std::get_if<VisionEncoding>(&state_)) return vision->soft_tokens();
  if (const auto* audio = std::get_if<AudioEncoding>(&state_)) return audio->soft_tokens();
  return std::get<Tensor>(state_);
}

}  // namespace gemma
