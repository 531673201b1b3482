// SPDX-License-Identifier: Apache-2.0
#include <soxr.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "media/sound.h"

namespace gemma::media {
namespace {

constexpr int kMaxRate = 768'000, kMinRate = 1000, kMaxChannels = 256;
constexpr size_t kBlock = 4096;

double decibels(float value) { return value > 1e-10f ? 20 * std::log10(static_cast<double>(value)) : -200; }

struct FreeResampler {
  void operator()(soxr* resampler) const { soxr_delete(resampler); }
};

}  // namespace

double Level::peak_db() const { return decibels(peak); }
double Level::rms_db() const { return decibels(rms); }

struct SoundBuilder::State {
  std::string where;
  int rate = 0, channels = 0;
  int64_t frames = 0, max_frames = 0;
  double squares = 0;
  Sound sound;
  std::unique_ptr<soxr, FreeResampler> resampler;  // none where the rate is right already
  std::vector<float> mono;

  void resample(const float* samples, size_t n) {
    std::array<float, kBlock> out{};
    for (size_t used = 0, done = 1; n > 0 ? used < n : done > 0;) {
      size_t taken = 0;
      const soxr_error_t error = soxr_process(resampler.get(), n > 0 ? samples + used : nullptr, n - used, &taken,
                                              out.data(), out.size(), &done);
      if (error != nullptr) fail(where, "cannot resample: {}", error);
      sound.samples.insert(sound.samples.end(), out.data(), out.data() + done);
      used += taken;
    }
  }
};

SoundBuilder::SoundBuilder(std::string where, int rate, int channels, double max_seconds)
    : state_(std::make_unique<State>()) {
  if (rate < kMinRate || rate > kMaxRate) {
    fail(where, "sound of {} samples a second: expected {} to {}", rate, kMinRate, kMaxRate);
  }
  if (channels < 1 || channels > kMaxChannels) {
    fail(where, "sound of {} channels: expected 1 to {}", channels, kMaxChannels);
  }
  state_->where = std::move(where);
  state_->rate = rate;
  state_->channels = channels;
  state_->max_frames = static_cast<int64_t>(max_seconds * rate);
  if (rate == kSoundRate) return;
  soxr_error_t error = nullptr;
  const soxr_io_spec_t floats = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);  // what the Python tools use by default
  const soxr_runtime_spec_t alone = soxr_runtime_spec(1);
  state_->resampler.reset(soxr_create(rate, kSoundRate, 1, &error, &floats, &quality, &alone));
  if (error != nullptr) fail(state_->where, "cannot resample from {} Hz: {}", rate, error);
}

SoundBuilder::~SoundBuilder() = default;

void SoundBuilder::add(std::span<const float> interleaved) {
  State& s = *state_;
  const auto channels = static_cast<size_t>(s.channels);
  const size_t frames = interleaved.size() / channels;
  GEMMA_CHECK(frames * channels == interleaved.size(), "whole frames");
  s.mono.resize(frames);
  for (size_t i = 0; i < frames; ++i) {
    float sum = 0;
    for (size_t c = 0; c < channels; ++c) sum += interleaved[i * channels + c];
    const float value = channels == 1 ? sum : sum / static_cast<float>(channels);
    if (!std::isfinite(value)) {
      const auto samples = interleaved.subspan(i * channels, channels);
      if (std::all_of(samples.begin(), samples.end(), [](float each) { return std::isfinite(each); })) {
        fail(s.where, "sample {} is {:g}, and the sum of its {} channels is no number that fits: the file is damaged",
             s.frames + static_cast<int64_t>(i), samples[0], channels);
      }
      fail(s.where, "sample {} is not a number: the file is damaged", s.frames + static_cast<int64_t>(i));
    }
    s.mono[i] = value;
    s.sound.level.peak = std::max(s.sound.level.peak, std::fabs(value));
    s.squares += static_cast<double>(value) * value;
  }
  s.frames += static_cast<int64_t>(frames);
  if (s.frames > s.max_frames) {
    fail(s.where, "more than {:g} seconds of sound (--max-seconds)", static_cast<double>(s.max_frames) / s.rate);
  }
  if (s.resampler == nullptr) {
    s.sound.samples.insert(s.sound.samples.end(), s.mono.begin(), s.mono.end());
  } else if (frames > 0) {
    s.resample(s.mono.data(), frames);
  }
}

Sound SoundBuilder::finish(std::string format) {
  State& s = *state_;
  if (s.frames == 0) fail(s.where, "holds no sound: 0 samples");
  if (s.resampler != nullptr) {
    s.resample(nullptr, 0);
    s.sound.samples.resize(static_cast<size_t>((s.frames * kSoundRate + s.rate - 1) / s.rate));
  }
  s.sound.format = std::move(format);
  s.sound.rate = s.rate;
  s.sound.channels = s.channels;
  s.sound.level.rms = static_cast<float>(std::sqrt(s.squares / static_cast<double>(s.frames)));
  return std::move(s.sound);
}

}  // namespace gemma::media
