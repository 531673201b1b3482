// SPDX-License-Identifier: Apache-2.0
// The orientation tag of cameras: reading it, and turning pixels by it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "media/decoders.h"
#include "media/image.h"

namespace gemma::media {
namespace {

constexpr unsigned kOrientationTag = 0x0112, kShortType = 3, kLongType = 4;
constexpr size_t kEntryBytes = 12;

/** Numbers of a TIFF structure, whose first two bytes say which end comes first. */
class TiffNumbers {
 public:
  TiffNumbers(std::span<const std::byte> bytes, bool big) : bytes_(bytes), big_(big) {}

  std::optional<uint32_t> number(size_t at, size_t width) const {
    if (at > bytes_.size() || bytes_.size() - at < width) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < width; ++i) {
      value = value << 8 | std::to_integer<uint32_t>(bytes_[at + (big_ ? i : width - 1 - i)]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_;
};

}  // namespace

int exif_orientation(std::span<const std::byte> exif) {
  if (exif.size() < 8 || exif[0] != exif[1] || (exif[0] != std::byte{'I'} && exif[0] != std::byte{'M'})) return 1;
  const TiffNumbers numbers(exif, exif[0] == std::byte{'M'});
  const std::optional<uint32_t> directory = numbers.number(4, 4);
  const std::optional<uint32_t> entries = directory ? numbers.number(*directory, 2) : std::nullopt;
  for (size_t i = 0; i < entries.value_or(0); ++i) {
    const size_t at = *directory + 2 + i * kEntryBytes;
    const std::optional<uint32_t> tag = numbers.number(at, 2), type = numbers.number(at + 2, 2);
    if (!tag || !type) return 1;
    if (*tag != kOrientationTag) continue;
    if (*type != kShortType && *type != kLongType) return 1;
    const uint32_t value = numbers.number(at + 8, *type == kShortType ? 2 : 4).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
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
