// SPDX-License-Identifier: Apache-2.0
// EXIF blocks: whatever they hold, the orientation is one there is.
// Links: media
#include <span>

#include "fuzz/fuzz.h"
#include "media/decoders.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    const int orientation = gemma::media::exif_orientation(std::as_bytes(std::span(data, size)));
    if (orientation < 1 || orientation > 8) __builtin_trap();
  });
}
