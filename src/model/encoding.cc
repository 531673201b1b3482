// SPDX-License-Identifier: Apache-2.0
#include "model/encoding.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "model/unified.h"

namespace gemma {

namespace {

/** Bytes as the reference makes numbers of them. */
Patches in_floats(const Patches& picture) {
  if (picture.pixels.dtype() == DType::f32) return picture;
  Tensor scaled = Tensor::host(DType::f32, picture.pixels.shape());
  const auto from = picture.pixels.data<uint8_t>();
  std::transform(from.begin(), from.end(), scaled.data_mutable<float>().begin(),
                 [](uint8_t v) { return static_cast<float>(v) * (1.0f / 255.0f); });
  return {std::move(scaled), picture.columns};
}

}  // namespace

Encoding Encoding::of(Ops& ops, const Encoders& encoders, const MediaInput& input) {
  GEMMA_CHECK(soft_tokens_of(encoders.config, input).ok(), "what these encoders can encode");
  if (input.sound.defined()) {
    if (encoders.audio) return Encoding(AudioEncoding(ops, encoders, input.sound));
    return Encoding(encode_samples(ops, encoders, input.sound));
  }
  const Patches picture = in_floats(input.picture);
  if (encoders.vision) return Encoding(VisionEncoding(ops, encoders, picture));
  return Encoding(encode_pixel_blocks(ops, encoders, picture));
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
