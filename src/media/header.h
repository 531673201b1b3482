// SPDX-License-Identifier: Apache-2.0
// What the headers of pictures say before any decoder sees them. Inside the module only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "media/image.h"

namespace gemma::media {

/** Numbers of a TIFF structure, EXIF's too, whose first two bytes say which end comes first. */
class TiffNumbers {
 public:
  TiffNumbers(std::span<const std::byte> bytes, bool big) : bytes_(bytes), big_(big) {}
  /** Nothing where there are no bytes that say so. */
  static std::optional<TiffNumbers> of(std::span<const std::byte> bytes);

  /** Of 1 to 4 bytes; nothing beyond the end. */
  std::optional<uint32_t> number(size_t at, size_t width) const;

  /** Of a tag of the first directory, where it is a whole number. */
  std::optional<uint32_t> value(unsigned tag) const;
  /** Whether another directory follows the first, which is that of another page. */
  bool has_second_directory() const;

 private:
  std::span<const std::byte> bytes_;
  bool big_;
};

struct HeaderSize {
  int64_t width = 0, height = 0;
};

/** Of GIF, BMP and TIFF, as FFmpeg's decoders take it; nothing where the header ends early. */
std::optional<HeaderSize> size_in_header(std::span<const std::byte> bytes, ImageFormat format);

/** Of a file of boxes (HEIC, AVIF, MP4): what it is first of all, then what it may be read as; none of any other. */
std::vector<std::string_view> brands_of(std::span<const std::byte> bytes);

/** Whether other pictures follow the first one: frames of an animation (GIF, WebP, PNG; AVIF and HEIC that say they are
 *  sequences), pages (TIFF). */
bool has_more_pictures(std::span<const std::byte> bytes, ImageFormat format);

}  // namespace gemma::media
