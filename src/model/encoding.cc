// SPDX-License-Identifier: Apache-2.0
#include "model/encoding.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "model/unified.h"

namespace gemma {

namespace {

Result<int64_t> count_sound(const MediaConfig& c, const Tensor& frames) {
  if (!c.hears()) return Failure{"sound", "this model has no encoder for it"};
  const int64_t width = c.audio ? c.audio->mel_bins : c.sample_frames->samples;
  if (frames.dtype() != DType::f32 || frames.shape().rank != 2 || frames.cols() != width || frames.rows() == 0) {
    return Failure{"sound", fmt::format("expected frames of {} values, found {}", width, frames.shape().str())};
  }
  return c.audio ? ((frames.rows() + 1) / 2 + 1) / 2 : frames.rows();  // convolutions halve time twice
}

Result<int64_t> count_picture(const MediaConfig& c, const Patches& picture) {
  if (!c.sees()) return Failure{"picture", "this model has no encoder for it"};
  const int64_t side = c.vision ? c.vision->patch : c.pixel_blocks->side, cell = c.vision ? c.vision->pool : 1;
  const int64_t most = c.vision ? c.vision->positions : c.pixel_blocks->positions;
  const Tensor& pixels = picture.pixels;
  const bool readable = pixels.defined() && (pixels.dtype() == DType::f32 || pixels.dtype() == DType::u8);
  const bool whole = readable && pixels.cols() == 3 * side * side;
  if (!whole || !picture.fits(cell, most)) {
    return Failure{
        "picture",
        fmt::format("expected a grid of cells of {} x {} squares of {} values, at most {} a side, found {} x "
                    "{} of {}",
                    cell, cell, 3 * side * side, most, picture.columns, pixels.defined() ? picture.rows() : 0,
                    pixels.defined() ? pixels.cols() : 0)};
  }
  return pixels.rows() / (cell * cell);
}

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

Result<int64_t> soft_tokens_of(const MediaConfig& encoders, const MediaInput& input) {
  return input.sound.defined() ? count_sound(encoders, input.sound) : count_picture(encoders, input.picture);
}

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
