// SPDX-License-Identifier: Apache-2.0
// Headers of pictures as they are looked at before a decoder is asked: the first byte says the format.
// Links: media
#include "media/header.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  return gemma::fuzz::refuses_or_reads([&] {
    using gemma::media::ImageFormat;
    const auto format = static_cast<ImageFormat>(data[0] % (static_cast<int>(ImageFormat::heic) + 1));
    const std::vector<std::byte> picture = gemma::fuzz::bytes(data + 1, size - 1);
    const auto found = gemma::media::size_in_header(picture, format);
    if (found && (found->width < 0 || found->height < 0)) __builtin_trap();
    gemma::media::has_more_pictures(picture, format);
  });
}
