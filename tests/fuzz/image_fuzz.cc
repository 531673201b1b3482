// SPDX-License-Identifier: Apache-2.0
// Picture files of every format: what is accepted has as many pixels as its sizes say, and can be turned both ways.
// Links: media
#include "media/image.h"

#include "fuzz/fuzz.h"
#include "fuzz/library_leaks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    gemma::media::ImageOptions options;
    options.max_pixels = 1'000'000;
    const auto source = gemma::memory_source("x", gemma::fuzz::bytes(data, size));
    const gemma::media::Image image = gemma::media::decode_image(*source, options);
    const gemma::media::Pixels& pixels = image.pixels;
    const int64_t count = int64_t{pixels.width} * pixels.height;
    if (count < 1 || count > options.max_pixels || std::ssize(pixels.rgb) != count * 3) __builtin_trap();
    if (image.orientation < 1 || image.orientation > 8) __builtin_trap();
    if (gemma::media::turned(gemma::media::turned(pixels, 6), 8).rgb != pixels.rgb) __builtin_trap();
  });
}
