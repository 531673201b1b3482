// SPDX-License-Identifier: Apache-2.0
// Sizes and resizes of small pictures: first the sizes and the rule, then pixels. Both tables give the same bits.
// Links: media
#include "media/resize.h"

#include "base/platform.h"
#include "fuzz/fuzz.h"
#include "media/image_size.h"
#include "media/resize_passes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 5) return 0;
  return gemma::fuzz::refuses_or_reads([&] {
    gemma::media::Pixels pixels{1 + data[0], 1 + data[1] % 64, {}};
    const int width = 1 + data[2], height = 1 + data[3] % 64;
    const auto rule = static_cast<gemma::media::ResizeRule>(data[4] % 3);
    for (int64_t i = 0; i < int64_t{pixels.width} * pixels.height * 3; ++i) {
      pixels.rgb.push_back(size == 5 ? static_cast<uint8_t>(i * 7) : data[5 + static_cast<size_t>(i) % (size - 5)]);
    }
    const auto target = gemma::media::target_size(pixels.width * width, pixels.height * height, 70);
    if (target && (target.value().soft_tokens > 70 || target.value().soft_tokens < 1)) __builtin_trap();
    const auto plain = gemma::media::resize_by(gemma::media::baseline_passes(), pixels, width, height, rule);
    if (std::ssize(plain.rgb) != int64_t{width} * height * 3) __builtin_trap();
    if (gemma::has_avx2() &&
        gemma::media::resize_by(gemma::media::avx2_passes(), pixels, width, height, rule).rgb != plain.rgb) {
      __builtin_trap();
    }
  });
}
