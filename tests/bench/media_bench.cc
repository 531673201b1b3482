// SPDX-License-Identifier: Apache-2.0
// How long pictures take to be resized and sound to become mel features, on one thread: tests/bench/media.py runs it.
//
//   media_bench [rounds]     a line each: name, median of milliseconds
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "media/mel.h"
#include "media/resize.h"

namespace gemma::media {
namespace {

template <class Call>
double median_ms(int rounds, const Call& call) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    call();
    times.push_back(1000 * seconds_since(start));
  }
  std::ranges::nth_element(times, times.begin() + rounds / 2);
  return times[static_cast<size_t>(rounds / 2)];
}

int main_of(int rounds) {
  Pixels photo{.width = 4000, .height = 3000, .rgb = {}};
  photo.rgb.resize(size_t{3} * 4000 * 3000);
  uint32_t state = 1;
  for (auto& v : photo.rgb) v = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  for (const auto& [name, rule] : {std::pair{"torch", ResizeRule::torch}, {"pillow", ResizeRule::pillow}}) {
    for (const auto& [width, height] : {std::pair{912, 672}, {1824, 1344}}) {
      std::vector<Pixels> copies(static_cast<size_t>(rounds), photo);
      auto next = copies.begin();
      fmt::print("resize {}x{} {} {:.2f}\n", width, height, name,
                 median_ms(rounds, [&] { resize(std::move(*next++), width, height, rule); }));
    }
  }
  std::vector<float> sound(480000);
  for (float& v : sound) v = static_cast<float>((state = state * 1664525 + 1013904223) >> 8) / 16777216.0f - 0.5f;
  fmt::print("mel 30s {:.2f}\n", median_ms(rounds, [&] { mel_features(sound); }));
  return 0;
}

}  // namespace
}  // namespace gemma::media

int main(int argc, char** argv) { return gemma::media::main_of(argc > 1 ? std::atoi(argv[1]) : 9); }
