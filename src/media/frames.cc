// SPDX-License-Identifier: Apache-2.0
// Which frames of a film are looked at, and which sound goes with them.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "media/film.h"

namespace gemma::media {

namespace {

/** floor(i * total / n) for i below n. */
std::vector<int64_t> spread(int64_t total, int64_t n) {
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    // In floating point as the reference, which steps by total / n.
    out.push_back(static_cast<int64_t>(static_cast<double>(i) * (static_cast<double>(total) / static_cast<double>(n))));
  }
  return out;
}

/** Each scene gets a frame, the longest (for each frame it has) the next one; in the middle of equal parts of a scene.
 */
std::vector<int64_t> frames_of_scenes(std::span<const Change> begins, double length, int64_t total, int64_t n) {
  struct Scene {
    int64_t begin, end;
    double seconds;
    int64_t frames = 1;

    double of_each() const { return frames < end - begin ? seconds / static_cast<double>(frames) : 0; }
  };
  std::vector<Scene> scenes;
  for (size_t i = 0; i < begins.size(); ++i) {
    const bool last = i + 1 == begins.size();
    scenes.push_back({begins[i].index, last ? total : begins[i + 1].index,
                      (last ? length : begins[i + 1].seconds) - begins[i].seconds});
  }
  for (int64_t left = n - std::ssize(scenes); left > 0; --left) {
    const auto longest = std::max_element(scenes.begin(), scenes.end(),
                                          [](const Scene& a, const Scene& b) { return a.of_each() < b.of_each(); });
    if (longest->of_each() <= 0) break;
    ++longest->frames;
  }
  std::vector<int64_t> out;
  for (const Scene& scene : scenes) {
    for (int64_t i = 0; i < scene.frames; ++i) {
      out.push_back(scene.begin + (2 * i + 1) * (scene.end - scene.begin) / (2 * scene.frames));
    }
  }
  return out;
}

}  // namespace

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

TokenPlan plan_tokens(int64_t tokens, int frame_soft_tokens, double sound_seconds) {
  const int64_t frame = frame_soft_tokens + kTokensBesideFrame;
  const auto sound = static_cast<int64_t>(std::ceil(sound_seconds * kSoundTokensPerSecond));
  const int64_t beside = (tokens - sound) / (frame + kTokensBesideClip);
  if (sound > 0 && sound <= tokens / 2 && beside >= 1) return {beside, true};
  return {tokens / frame, false};
}

std::vector<int64_t> choose_scenes(std::span<const Change> changes, double length, int64_t total, int64_t n) {
  constexpr float kCut = 0.08f;      // less is motion
  constexpr double kShortest = 0.5;  // seconds of a scene: what is shorter is a flash, or a cut that takes its time
  if (total < 1 || n < 1) return {};
  std::vector<Change> cuts;
  std::copy_if(changes.begin(), changes.end(), std::back_inserter(cuts),
               [](const Change& c) { return c.index > 0 && c.change >= kCut; });
  std::stable_sort(cuts.begin(), cuts.end(), [](const Change& a, const Change& b) { return a.change > b.change; });
  std::vector<Change> begins{{}};
  for (const Change& cut : cuts) {
    if (std::ssize(begins) == n) break;
    const auto near = [&](const Change& other) {
      return other.index > 0 && std::fabs(cut.seconds - other.seconds) < kShortest;
    };
    if (std::none_of(begins.begin(), begins.end(), near)) begins.push_back(cut);
  }
  std::sort(begins.begin(), begins.end(), [](const Change& a, const Change& b) { return a.index < b.index; });
  return frames_of_scenes(begins, length, total, n);
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
