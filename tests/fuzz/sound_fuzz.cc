// SPDX-License-Identifier: Apache-2.0
// Sound files of every format: what is accepted is numbers, no more of them than the limit allows, and has features.
// Links: media
#include "media/sound.h"

#include <cmath>

#include "fuzz/fuzz.h"
#include "fuzz/library_leaks.h"
#include "media/mel.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    gemma::media::SoundOptions options;
    options.max_seconds = 2;
    const auto source = gemma::memory_source("x", gemma::fuzz::bytes(data, size));
    const gemma::media::Sound sound = gemma::media::decode_sound(*source, options);
    if (sound.samples.empty() || sound.seconds() > options.max_seconds + 0.1) __builtin_trap();
    for (const float value : sound.samples) {
      if (!std::isfinite(value)) __builtin_trap();
    }
    gemma::media::mel_features(sound.samples);
  });
}
