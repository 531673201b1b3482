// SPDX-License-Identifier: Apache-2.0
// Features of samples: as many as reckoned, numbers all of them, zeros behind the valid ones, in both front ends.
// Links: media
#include "media/mel.h"

#include <cmath>

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    std::vector<float> samples;
    for (size_t i = 0; i < size; ++i) samples.push_back(static_cast<float>(static_cast<int8_t>(data[i])) / 128);
    for (const auto front_end : {gemma::media::FrontEnd::transformers, gemma::media::FrontEnd::jax}) {
      gemma::media::MelOptions options;
      options.front_end = front_end;
      options.max_samples = 4000;
      const gemma::media::Mel mel = gemma::media::mel_features(samples, options);
      const int64_t width = gemma::media::kMelBins;
      if (mel.valid > mel.frames || std::ssize(mel.values) != mel.frames * width) __builtin_trap();
      for (int64_t i = 0; i < std::ssize(mel.values); ++i) {
        const float value = mel.values[static_cast<size_t>(i)];
        if (!std::isfinite(value) || (i >= mel.valid * width && value != 0)) __builtin_trap();
      }
    }
    const gemma::media::RawFrames raw = gemma::media::raw_frames(samples);
    if (std::ssize(raw.values) != raw.frames * raw.size) __builtin_trap();
  });
}
