// SPDX-License-Identifier: Apache-2.0
#include "model/media_input.h"

#include <algorithm>
#include <utility>

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

Failure unlike(std::string_view what, std::string_view expected, const Tensor& found) {
  return {std::string(what),
          fmt::format("expected {}, found {} {}", expected, info(found.dtype()).name, found.shape().str())};
}

}  // namespace

Result<MediaInput> picture_input(Tensor squares, const Tensor& places) {
  const int64_t count = squares.rows();
  if (places.dtype() != DType::i32 || places.cols() != 2 || places.rows() != count) {
    return unlike("places", fmt::format("i32 [{}, 2]", count), places);
  }
  const auto xy = places.data<int32_t>();
  int64_t columns = 0;
  while (columns < count && xy[static_cast<size_t>(2 * columns + 1)] == 0) ++columns;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t x = xy[static_cast<size_t>(2 * i)], y = xy[static_cast<size_t>(2 * i + 1)];
    if (columns > 0 && x == i % columns && y == i / columns) continue;
    return Failure{"places", fmt::format("expected the places of a grid, row by row, found ({}, {}) at {}", x, y, i)};
  }
  return MediaInput{{std::move(squares), columns}, {}};
}

Result<MediaInput> sound_input(const Tensor& frames, const Tensor& mask) {
  if (!mask.defined()) return MediaInput{{}, frames};
  if (mask.dtype() != DType::u8 || mask.shape().count() != frames.rows()) {
    return unlike("mask", fmt::format("u8 [{}]", frames.rows()), mask);
  }
  const auto valid = mask.data<uint8_t>();
  const auto end = std::find(valid.begin(), valid.end(), uint8_t{0});
  if (std::any_of(end, valid.end(), [](uint8_t v) { return v != 0; })) {
    return Failure{"mask", "expected padding behind the sound alone"};
  }
  return MediaInput{{}, frames.slice(0, end - valid.begin())};
}

Result<int64_t> soft_tokens_of(const MediaConfig& encoders, const MediaInput& input) {
  return input.sound.defined() ? count_sound(encoders, input.sound) : count_picture(encoders, input.picture);
}

}  // namespace gemma
