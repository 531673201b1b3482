// SPDX-License-Identifier: Apache-2.0
// The orientation tag of cameras: reading it, and turning pixels by it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "media/decoders.h"
#include "media/header.h"
#include "media/image.h"

namespace gemma::media {

int exif_orientation(std::span<const std::byte> exif) {
  constexpr unsigned kOrientationTag = 0x0112;
  const std::optional<TiffNumbers> numbers = TiffNumbers::of(exif);
  const uint32_t value = numbers ? numbers->value(kOrientationTag).value_or(1) : 1;
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

Pixels turned(Pixels pixels, int orientation) {
  if (orientation <= 1 || orientation > 8) return pixels;
  // 2 mirrored, 3 upside down, 4 both; 5 to 8 the same with rows and columns exchanged.
  const bool exchanged = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int width = exchanged ? pixels.height : pixels.width, height = exchanged ? pixels.width : pixels.height;
  Pixels out{width, height, std::vector<uint8_t>(pixels.rgb.size())};
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int column = exchanged ? y : x, row = exchanged ? x : y;
      const int64_t from_x = from_right ? pixels.width - 1 - column : column;
      const int64_t from_y = from_below ? pixels.height - 1 - row : row;
      const uint8_t* from = pixels.rgb.data() + (from_y * pixels.width + from_x) * 3;
      for (int c = 0; c < 3; ++c) *to++ = from[c];
    }
  }
  return out;
}

}  // namespace gemma::media
