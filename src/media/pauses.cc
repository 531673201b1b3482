// SPDX-License-Identifier: Apache-2.0
#include "media/pauses.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "media/sound.h"

namespace gemma::media {
namespace {

constexpr int64_t kFrame = kSoundRate / 50;   // 20 ms
constexpr int64_t kPause = 15;                // frames over which the level of a place is taken: 300 ms
constexpr int64_t kOverlap = kSoundRate / 2;  // to either side of a cut that is no pause
constexpr double kFloor = 1e-6;               // -60 dB, of power
constexpr double kPauseBelow = 15;            // dB under the mean: a pause
constexpr double kDistance = 6;               // dB that a place as far from the middle as a piece is long is worse
constexpr double kHeardWithin = 35;           // dB of the loudest

double decibels(double power) { return 10 * std::log10(std::max(power, 1e-20)); }

/** Mean power of each 20 ms. */
std::vector<double> powers_of(std::span<const float> samples) {
  std::vector<double> powers;
  for (size_t at = 0; at < samples.size(); at += kFrame) {
    const auto frame = samples.subspan(at, std::min<size_t>(kFrame, samples.size() - at));
    double sum = 0;
    for (const float x : frame) sum += static_cast<double>(x) * x;
    powers.push_back(sum / static_cast<double>(frame.size()));
  }
  return powers;
}

/** Sums from the beginning, by which a mean is two look-ups. */
class Levels {
 public:
  explicit Levels(std::span<const float> samples) : sums_{0} {
    for (const double power : powers_of(samples)) sums_.push_back(sums_.back() + power);
  }
  int64_t frames() const { return std::ssize(sums_) - 1; }
  double mean(int64_t begin, int64_t end) const {
    begin = std::clamp<int64_t>(begin, 0, frames());
    end = std::clamp<int64_t>(end, begin, frames());
    return begin == end ? 0
                        : (sums_[static_cast<size_t>(end)] - sums_[static_cast<size_t>(begin)]) /
                              static_cast<double>(end - begin);
  }
  /** Of the place between two frames. */
  double around(int64_t frame) const { return mean(frame - kPause / 2, frame + kPause / 2 + 1); }

 private:
  std::vector<double> sums_;
};

}  // namespace

std::vector<PausePiece> cut_at_pauses(std::span<const float> samples, int64_t most) {
  GEMMA_CHECK(most >= 2 * kSoundRate, "pieces of two seconds or more");
  const Levels levels(samples);
  const int64_t total = std::ssize(samples), longest = most - kOverlap;
  std::vector<PausePiece> pieces{{0, total, false}};
  while (pieces.back().end - pieces.back().begin > most) {
    PausePiece& piece = pieces.back();
    const int64_t left = total - piece.begin, parts = (left + longest - 1) / longest;
    const int64_t middle = piece.begin + left / parts;  // of equal pieces
    const int64_t first = (piece.begin + left / parts / 2) / kFrame + 1, last = (piece.begin + longest) / kFrame;
    int64_t best = last;
    double best_score = 1e300;
    for (int64_t frame = first; frame <= last; ++frame) {
      const double distance = std::abs(static_cast<double>(frame * kFrame - middle)) / static_cast<double>(most);
      const double score = decibels(std::max(levels.around(frame), kFloor)) + kDistance * distance;
      if (score < best_score) best = frame, best_score = score;
    }
    const double mean = decibels(levels.mean(piece.begin / kFrame, (piece.begin + most) / kFrame));
    const double level = decibels(levels.around(best));
    const bool pause = level <= decibels(kFloor) || level <= mean - kPauseBelow;
    const int64_t cut = best * kFrame, reach = pause ? 0 : kOverlap;
    piece.end = std::min(total, cut + reach);
    pieces.push_back({cut - reach, total, !pause});
  }
  return pieces;
}

Heard heard_part(std::span<const float> samples) {
  const std::vector<double> powers = powers_of(samples);
  const double loudest = powers.empty() ? 0 : *std::max_element(powers.begin(), powers.end());
  const double least = std::max(kFloor, loudest * std::pow(10, -kHeardWithin / 10));
  const auto heard = [&](double power) { return power >= least; };
  const auto first = std::find_if(powers.begin(), powers.end(), heard);
  if (first == powers.end()) return {};
  const auto last = std::find_if(powers.rbegin(), powers.rend(), heard).base();
  return {(first - powers.begin()) * kFrame, std::min<int64_t>(std::ssize(samples), (last - powers.begin()) * kFrame)};
}

}  // namespace gemma::media
