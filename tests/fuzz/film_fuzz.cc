// SPDX-License-Identifier: Apache-2.0
// Films in every container: the frames that come have one size and rising numbers; their sound is numbers.
// Links: media
#include "media/film.h"

#include <cmath>

#include "fuzz/fuzz.h"
#include "fuzz/library_leaks.h"
#include "media/sound.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    gemma::media::FilmOptions options;
    options.rule.max_frames = 3;
    if (size % 2 == 1) options.rule.choice = gemma::media::FrameChoice::scenes;
    options.rule.tokens = size % 3 == 0 ? 500 : 0;
    options.max_pixels = 100'000;
    options.max_seconds = 60;
    const auto source = gemma::memory_source("x", gemma::fuzz::bytes(data, size));
    const gemma::media::Film film = gemma::media::decode_film(*source, options);
    int64_t before = -1;
    for (const gemma::media::TimedFrame& frame : film.frames) {
      if (frame.index <= before || frame.index >= film.total_frames) __builtin_trap();
      if (frame.pixels.width != film.size.width || frame.pixels.height != film.size.height) __builtin_trap();
      before = frame.index;
    }
    if (!film.has_sound) return;
    gemma::media::SoundOptions sound;
    sound.max_seconds = options.max_seconds;
    for (const float value : gemma::media::decode_sound(*source, sound).samples) {
      if (!std::isfinite(value)) __builtin_trap();
    }
  });
}
