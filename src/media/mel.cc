// SPDX-License-Identifier: Apache-2.0
#include "media/mel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <numbers>

#include "base/error.h"
#include "base/platform.h"
#include "media/sound.h"
#include "media/spectrum.h"

namespace gemma::media {
namespace {

constexpr int64_t kHop = 160, kPadding = 128;
constexpr double kFloor = 0.001, kTopHertz = 8000;
/** A frame is one sample longer than what is looked at: where it ends decides how many there are, and which is valid.
 */
constexpr int64_t kFrameReach = kFrameSamples + 1;

double hann(int i, FrontEnd front_end) {
  const double at = i + (front_end == FrontEnd::jax ? 0.5 : 0);
  return 0.5 - 0.5 * std::cos(2 * std::numbers::pi * at / kFrameSamples);
}

double mel_of(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double hertz_of(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

/** One triangle: where it begins, and its weights. */
struct Filter {
  int first = 0;
  std::vector<double> weights;
};

std::vector<Filter> make_filters() {
  std::array<double, kMelBins + 2> corners{};
  for (size_t i = 0; i < corners.size(); ++i) {
    corners[i] = hertz_of(mel_of(kTopHertz) * static_cast<double>(i) / (corners.size() - 1));
  }
  std::vector<Filter> filters(kMelBins);
  for (size_t m = 0; m < filters.size(); ++m) {
    for (int bin = 0; bin < kSpectrumBins; ++bin) {
      const double hertz = bin * kTopHertz / (kSpectrumBins - 1);
      const double up = (hertz - corners[m]) / (corners[m + 1] - corners[m]);
      const double down = (corners[m + 2] - hertz) / (corners[m + 2] - corners[m + 1]);
      const double weight = std::min(up, down);
      if (weight <= 0) continue;
      if (filters[m].weights.empty()) filters[m].first = bin;
      filters[m].weights.push_back(weight);
    }
  }
  return filters;
}

std::unique_ptr<SpectrumTables> make_tables(FrontEnd front_end) {
  auto tables = std::make_unique<SpectrumTables>();
  for (int i = 0; i < kFrameSamples; ++i) tables->window[i] = static_cast<float>(hann(i, front_end));
  for (int i = 0; i < kFourier; ++i) {
    tables->cosine[i] = std::cos(2 * std::numbers::pi * i / kFourier);
    tables->sine[i] = std::sin(2 * std::numbers::pi * i / kFourier);
  }
  return tables;
}

/** Log mel values of up to four frames of `spectrum`, [bin][lane], to their rows. */
void write_rows(const std::vector<Filter>& filters, const double* spectrum, int lanes, float* rows) {
  for (size_t m = 0; m < filters.size(); ++m) {
    std::array<double, kSpectrumLanes> sums{};
    const double* from = spectrum + int64_t{filters[m].first} * kSpectrumLanes;
    for (const double weight : filters[m].weights) {
      for (double& sum : sums) sum += weight * *from++;
    }
    for (int lane = 0; lane < lanes; ++lane) {
      rows[lane * int64_t{kMelBins} + static_cast<int64_t>(m)] =
          std::log(static_cast<float>(sums[static_cast<size_t>(lane)] + kFloor));
    }
  }
}

}  // namespace

Mel mel_counts(int64_t samples, const MelOptions& options) {
  samples = std::min(samples, options.max_samples);
  const int64_t lead = options.front_end == FrontEnd::transformers ? kFrameSamples / 2 : 0;
  const int64_t padded = lead + (samples + kPadding - 1) / kPadding * kPadding;
  Mel mel;
  if (samples > 0 && padded >= kFrameReach) mel.frames = (padded - kFrameReach) / kHop + 1;
  const int64_t real = lead + samples;
  if (options.front_end == FrontEnd::jax) {
    mel.valid = std::min(samples / kHop, mel.frames);
  } else if (real >= kFrameReach) {
    mel.valid = std::min((real - kFrameReach) / kHop + 1, mel.frames);
  }
  return mel;
}

Mel mel_features(std::span<const float> samples, const MelOptions& options) {
  Mel mel = mel_counts(std::ssize(samples), options);
  mel.values.resize(static_cast<size_t>(mel.frames * kMelBins));
  samples = samples.first(static_cast<size_t>(std::min<int64_t>(std::ssize(samples), options.max_samples)));
  const int64_t lead = options.front_end == FrontEnd::transformers ? kFrameSamples / 2 : 0;
  std::vector<float> padded(static_cast<size_t>((mel.frames + kSpectrumLanes) * kHop + kFrameSamples + lead));
  GEMMA_CHECK(padded.size() >= samples.size(), "frames cover the sound");
  std::copy(samples.begin(), samples.end(), padded.begin() + lead);
  static const std::vector<Filter> filters = make_filters();
  const std::unique_ptr<SpectrumTables> tables = make_tables(options.front_end);
  const Spectrum spectrum = has_avx2() ? avx2_spectrum() : baseline_spectrum();
  std::vector<double> magnitudes(size_t{kSpectrumBins} * kSpectrumLanes);
  for (int64_t frame = 0; frame < mel.valid; frame += kSpectrumLanes) {
    std::array<const float*, kSpectrumLanes> starts{};
    for (int lane = 0; lane < kSpectrumLanes; ++lane) {
      starts[static_cast<size_t>(lane)] = padded.data() + (frame + lane) * kHop;
    }
    spectrum(*tables, starts.data(), magnitudes.data());
    write_rows(filters, magnitudes.data(), static_cast<int>(std::min<int64_t>(kSpectrumLanes, mel.valid - frame)),
               mel.values.data() + frame * kMelBins);
  }
  return mel;
}

std::vector<float> mel_filters() {
  std::vector<float> table(size_t{kSpectrumBins} * kMelBins);
  const std::vector<Filter> filters = make_filters();
  for (size_t m = 0; m < filters.size(); ++m) {
    for (size_t i = 0; i < filters[m].weights.size(); ++i) {
      table[(static_cast<size_t>(filters[m].first) + i) * kMelBins + m] = static_cast<float>(filters[m].weights[i]);
    }
  }
  return table;
}

std::vector<float> mel_window(FrontEnd front_end) {
  std::vector<float> window;
  for (int i = 0; i < kFrameSamples; ++i) window.push_back(static_cast<float>(hann(i, front_end)));
  return window;
}

RawFrames raw_frames(std::span<const float> samples, int size) {
  RawFrames out{(std::ssize(samples) + size - 1) / size, size, {samples.begin(), samples.end()}};
  out.values.resize(static_cast<size_t>(out.frames * size));
  return out;
}

}  // namespace gemma::media
