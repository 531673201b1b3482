// SPDX-License-Identifier: Apache-2.0
// Sound files to samples as the models take them: one channel, 16 kHz, numbers in [-1, 1].
//
//   Sound sound = decode_sound(*file_source("talk.mp3"), {});
//   Mel mel = mel_features(sound.samples);                     // media/mel.h
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "file/model_file.h"

namespace gemma::media {

inline constexpr int kSoundRate = 16000;

struct SoundOptions {
  int64_t max_bytes = 8'000'000'000;  // of the file
  double max_seconds = 7200;
};

/** How loud the file is, before it is resampled. */
struct Level {
  float peak = 0, rms = 0;

  /** In decibels of full scale, -200 for nothing at all. */
  double peak_db() const;
  double rms_db() const;
  /** No sample reaches a thousandth (-60 dB): nothing that could be heard. */
  bool silent() const { return peak < 1e-3f; }
};

struct Sound {
  std::vector<float> samples;  // the channels' mean at kSoundRate
  std::string format;          // "WAV"
  int rate = 0, channels = 0;  // of the file
  Level level;

  double seconds() const { return static_cast<double>(samples.size()) / kSoundRate; }
};

/** WAV, AIFF, FLAC, Ogg (Vorbis, Opus), MP3; m4a, AAC, WebM and the sound of films where the program has FFmpeg. Fails
 *  with the file's name and one line, on samples that are no numbers too. */
Sound decode_sound(const ByteSource& source, const SoundOptions& options);

/** Takes blocks of interleaved samples as they are decoded: mixes, measures, resamples, and watches the length. */
class SoundBuilder {
 public:
  SoundBuilder(std::string where, int rate, int channels, double max_seconds);
  SoundBuilder(const SoundBuilder&) = delete;
  SoundBuilder& operator=(const SoundBuilder&) = delete;
  ~SoundBuilder();

  void add(std::span<const float> interleaved);  // whole frames
  Sound finish(std::string format);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma::media
