// SPDX-License-Identifier: Apache-2.0
#include "model/encoding.h"

#include "base/error.h"
#include "model/unified.h"

namespace gemma {

namespace {

Result<int64_t> count_sound(const Encoders& encoders, const Tensor& frames) {
  const MediaConfig& c = encoders.config;
  if (!c.hears()) return Failure{"sound", "this model has no encoder for it"};
  const int64_t width = c.audio ? c.audio->mel_bins : c.sample_frames->samples;
  if (frames.dtype() != DType::f32 || frames.shape().rank != 2 || frames.cols() != width || frames.rows() == 0) {
    return Failure{"sound", fmt::format("expected frames of {} values, found {}", width, frames.shape().str())};
  }
  return c.audio ? ((frames.rows() + 1) / 2 + 1) / 2 : frames.rows();  // convolutions halve time twice
}

Result<int64_t> count_picture(const Encoders& encoders, const Patches& picture) {
  const MediaConfig& c = encoders.config;
  if (!c.sees()) return Failure{"picture", "this model has no encoder for it"};
  const int64_t side = c.vision ? c.vision->patch : c.pixel_blocks->side, cell = c.vision ? c.vision->pool : 1;
  const int64_t most = c.vision ? c.vision->positions : c.pixel_blocks->positions;
  const Tensor& pixels = picture.pixels;
  const bool whole = pixels.defined() && pixels.dtype() == DType::f32 && pixels.cols() == 3 * side * side;
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

}  // namespace

Result<int64_t> soft_tokens_of(const Encoders& encoders, const MediaInput& input) {
  return input.sound.defined() ? count_sound(encoders, input.sound) : count_picture(encoders, input.picture);
}

Encoding Encoding::of(Ops& ops, const Encoders& encoders, const MediaInput& input) {
  GEMMA_CHECK(soft_tokens_of(encoders, input).ok(), "what these encoders can encode");
  if (input.sound.defined()) {
    if (encoders.audio) return Encoding(AudioEncoding(ops, encoders, input.sound));
    return Encoding(encode_samples(ops, encoders, input.sound));
  }
  if (encoders.vision) return Encoding(VisionEncoding(ops, encoders, input.picture));
  return Encoding(encode_pixel_blocks(ops, encoders, input.picture));
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
