// SPDX-License-Identifier: Apache-2.0
// Samples to what the audio tower takes in (log mel features), and to what models without a tower do (raw frames).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gemma::media {

inline constexpr int kMelBins = 128;

/** Where the two references differ. transformers: 160 zeros before the first sample, so that the first frame is centred
 *  on it, and a periodic Hann window; a frame is valid when its last sample is sound. jax (google-deepmind/gemma): no
 *  zeros before, the window half a sample on; as many frames are valid as whole hops fit the sound. */
enum class FrontEnd : uint8_t { transformers, jax };

struct MelOptions {
  FrontEnd front_end = FrontEnd::transformers;
  int64_t max_samples = 480000;  // the rest is cut: 30 seconds, what the tower was made for
};

struct Mel {
  int64_t frames = 0, valid = 0;  // frames behind the valid ones are zeros
  std::vector<float> values;      // [frames][kMelBins]

  /** The tower halves the frames twice. */
  int64_t soft_tokens() const { return (valid + 3) / 4; }
};

/** How many frames and valid ones `samples` give. */
Mel mel_counts(int64_t samples, const MelOptions& options = {});
Mel mel_features(std::span<const float> samples, const MelOptions& options = {});

/** The filters, [257][kMelBins]: triangles on the HTK scale from 0 to 8000 Hz. */
std::vector<float> mel_filters();
/** The window of a frame's 320 samples. */
std::vector<float> mel_window(FrontEnd front_end);

/** Frames of `size` samples one after another, the last filled with zeros; each is one soft token. */
struct RawFrames {
  int64_t frames = 0;
  int size = 640;
  std::vector<float> values;  // [frames][size]
};
RawFrames raw_frames(std::span<const float> samples, int size = 640);

}  // namespace gemma::media
