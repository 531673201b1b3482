// SPDX-License-Identifier: Apache-2.0
// Which frames of a film are looked at, and which sound goes with them.
#include <algorithm>
#include <cmath>

#include "media/film.h"

namespace gemma::media {

namespace {

std::vector<int64_t> spread(int64_t total, int64_t n) {
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    // In floating point as the reference, which steps by total / n.
    out.push_back(static_cast<int64_t>(static_cast<double>(i) * (static_cast<double>(total) / static_cast<double>(n))));
  }
  return out;
}

}  // namespace

Result<std::vector<int64_t>> spread_frames(int64_t total, int n) {
  if (n < 1 || n > total) {
    return Failure{"", fmt::format("{} frames asked for, expected 1 to {}: there are no more", n, total)};
  }
  return spread(total, n);
}

std::vector<int64_t> choose_frames(std::span<const double> times, double length, const FrameRule& rule) {
  std::vector<int64_t> chosen;
  const int64_t total = std::ssize(times);
  if (rule.fps > 0) {
    constexpr double kSlack = 1e-6;  // times of containers are rounded
    for (int64_t i = 0; static_cast<double>(i) / rule.fps < std::max(length, kSlack) && std::ssize(chosen) < total;
         ++i) {
      const auto after = std::upper_bound(times.begin(), times.end(), static_cast<double>(i) / rule.fps + kSlack);
      const int64_t shown = std::max<int64_t>(after - times.begin() - 1, 0);
      if (chosen.empty() || chosen.back() != shown) chosen.push_back(shown);
    }
  } else {
    for (int64_t i = 0; i < total; ++i) chosen.push_back(i);
  }
  const int64_t n = std::min<int64_t>(std::ssize(chosen), rule.max_frames > 0 ? rule.max_frames : kDefaultFrames);
  std::vector<int64_t> out = spread(std::ssize(chosen), n);
  for (int64_t& index : out) index = chosen[static_cast<size_t>(index)];
  return out;
}

std::string time_stamp(double seconds) {
  const auto whole = static_cast<int64_t>(std::floor(std::max(seconds, 0.0)));
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

std::vector<SoundPiece> cut_sound(int64_t samples, std::span<const double> times) {
  std::vector<SoundPiece> pieces;
  int64_t begin = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    int64_t end = samples;
    if (i + 1 < times.size()) {
      end = std::clamp(static_cast<int64_t>(std::llround(times[i + 1] * kSoundRate)), begin, samples);
    }
    pieces.push_back({begin, end});
    begin = end;
  }
  return pieces;
}

}  // namespace gemma::media
