// SPDX-License-Identifier: Apache-2.0
// How large the text in a picture is: two bytes give the picture's size, the others its greys, over and over. Lines lie
// within the picture, and the budget chosen by them is one of those there are.
// Links: media
#include "media/text_height.h"

#include <algorithm>
#include <cmath>

#include "fuzz/fuzz.h"

namespace {

using gemma::media::Pixels;
using gemma::media::TextLine;

Pixels pixels_of(const uint8_t* data, size_t size) {
  Pixels pixels{1 + data[0], 1 + data[1], {}};
  const size_t count = static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height);
  for (size_t i = 0; i < count; ++i) pixels.rgb.insert(pixels.rgb.end(), 3, size == 2 ? 0 : data[2 + i % (size - 2)]);
  return pixels;
}

bool within(const TextLine& line, const Pixels& pixels) {
  return line.left >= 0 && line.left <= line.right && line.right <= pixels.width && line.top >= 0 &&
         line.top <= line.bottom && line.bottom <= pixels.height && line.height > 0 && std::isfinite(line.height);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  return gemma::fuzz::refuses_or_reads([&] {
    const Pixels pixels = pixels_of(data, size);
    for (const TextLine& line : gemma::media::find_text(pixels)) {
      if (!within(line, pixels)) __builtin_trap();
    }
    const int budget = gemma::media::choose_budget(pixels, {}).budget;
    if (std::ranges::count(gemma::media::kImageBudgets, budget) != 1) __builtin_trap();
  });
}
