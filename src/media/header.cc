// SPDX-License-Identifier: Apache-2.0
#include "media/header.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "media/file_bytes.h"

namespace gemma::media {
namespace {

constexpr unsigned kWidthTag = 0x0100, kHeightTag = 0x0101, kShortType = 3, kLongType = 4;
constexpr size_t kEntryBytes = 12;
constexpr size_t kMostBrands = 4096;  // bytes of a box of brands that are looked at

/** A number whose least byte comes first, of 1 to 4; 0 beyond the end. */
uint32_t little(std::span<const std::byte> bytes, size_t at, size_t width) {
  return TiffNumbers(bytes, false).number(at, width).value_or(0);
}

std::optional<HeaderSize> size_of_bmp(std::span<const std::byte> bytes) {
  if (bytes.size() < 26) return std::nullopt;
  if (little(bytes, 14, 4) == 12) return HeaderSize{little(bytes, 18, 2), little(bytes, 20, 2)};
  const auto side = [&](size_t at) { return std::abs(int64_t{static_cast<int32_t>(little(bytes, at, 4))}); };
  return HeaderSize{side(18), side(22)};  // a height below 0: from above
}

/** Behind the blocks of a GIF that begin at a place: a size and as many bytes, until a size is 0. */
size_t behind_blocks(std::span<const std::byte> gif, size_t at) {
  while (at < gif.size() && gif[at] != std::byte{0}) at += 1 + little(gif, at, 1);
  return at + 1;
}

/** The bytes of the colours that a flag byte of a GIF announces. */
size_t colour_bytes(uint32_t flags) { return (flags & 0x80u) != 0 ? size_t{3} << ((flags & 7u) + 1) : 0; }

bool has_second_frame(std::span<const std::byte> gif) {
  int frames = 0;
  size_t at = 13 + colour_bytes(little(gif, 10, 1));
  while (at < gif.size()) {
    const uint32_t kind = little(gif, at, 1);
    if (kind == '!') {
      at = behind_blocks(gif, at + 2);
    } else if (kind == ',' && ++frames < 2) {
      at = behind_blocks(gif, at + 11 + colour_bytes(little(gif, at + 9, 1)));  // behind the size of its codes
    } else {
      break;
    }
  }
  return frames > 1;
}

/** A PNG says before its pixels how many frames it has. */
bool is_animated_png(std::span<const std::byte> bytes) {
  const TiffNumbers numbers(bytes, true);
  for (size_t at = 8; at + 12 <= bytes.size() && text_at(bytes, at + 4, 4) != "IDAT";) {
    if (text_at(bytes, at + 4, 4) == "acTL") return numbers.number(at + 8, 4).value_or(0) > 1;
    at += size_t{12} + numbers.number(at, 4).value_or(0);
  }
  return false;
}

bool is_animated_webp(std::span<const std::byte> bytes) {
  int frames = 0;
  for (size_t at = 12; at + 8 <= bytes.size() && frames < 2;) {
    const size_t size = little(bytes, at + 4, 4);
    if (text_at(bytes, at, 4) == "ANMF") ++frames;
    at += 8 + size + size % 2;
  }
  return frames > 1;
}

}  // namespace

std::optional<TiffNumbers> TiffNumbers::of(std::span<const std::byte> bytes) {
  const bool little_first = text_at(bytes, 0, 2) == "II", big_first = text_at(bytes, 0, 2) == "MM";
  if (bytes.size() < 8 || !(little_first || big_first)) return std::nullopt;
  return TiffNumbers(bytes, big_first);
}

std::optional<uint32_t> TiffNumbers::number(size_t at, size_t width) const {
  if (at > bytes_.size() || bytes_.size() - at < width) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < width; ++i) {
    value = value << 8 | std::to_integer<uint32_t>(bytes_[at + (big_ ? i : width - 1 - i)]);
  }
  return value;
}

std::optional<uint32_t> TiffNumbers::value(unsigned tag) const {
  const std::optional<uint32_t> first = number(4, 4);
  const std::optional<uint32_t> entries = first ? number(*first, 2) : std::nullopt;
  for (size_t i = 0; i < entries.value_or(0); ++i) {
    const size_t at = *first + 2 + i * kEntryBytes;
    const std::optional<uint32_t> found = number(at, 2), type = number(at + 2, 2);
    if (!found || !type) return std::nullopt;
    if (*found != tag) continue;
    if (*type != kShortType && *type != kLongType) return std::nullopt;
    return number(at + 8, *type == kShortType ? 2 : 4);
  }
  return std::nullopt;
}

bool TiffNumbers::has_second_directory() const {
  const std::optional<uint32_t> first = number(4, 4);
  const std::optional<uint32_t> entries = first ? number(*first, 2) : std::nullopt;
  return entries && number(size_t{*first} + 2 + *entries * kEntryBytes, 4).value_or(0) != 0;
}

std::vector<std::string_view> brands_of(std::span<const std::byte> bytes) {
  std::vector<std::string_view> brands;
  if (text_at(bytes, 4, 4) != "ftyp") return brands;
  const size_t end = std::min<size_t>({TiffNumbers(bytes, true).number(0, 4).value_or(0), bytes.size(), kMostBrands});
  for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) brands.push_back(text_at(bytes, at, 4));  // at 12 a version
  return brands;
}

std::optional<HeaderSize> size_in_header(std::span<const std::byte> bytes, ImageFormat format) {
  if (format == ImageFormat::bmp) return size_of_bmp(bytes);
  if (format == ImageFormat::gif) {
    return bytes.size() < 10 ? std::nullopt : std::optional(HeaderSize{little(bytes, 6, 2), little(bytes, 8, 2)});
  }
  const std::optional<TiffNumbers> tiff = TiffNumbers::of(bytes);
  const std::optional<uint32_t> width = tiff ? tiff->value(kWidthTag) : std::nullopt;
  const std::optional<uint32_t> height = tiff ? tiff->value(kHeightTag) : std::nullopt;
  return width && height ? std::optional(HeaderSize{*width, *height}) : std::nullopt;
}

bool has_more_pictures(std::span<const std::byte> bytes, ImageFormat format) {
  switch (format) {
    case ImageFormat::gif:
      return has_second_frame(bytes);
    case ImageFormat::webp:
      return is_animated_webp(bytes);
    case ImageFormat::png:
      return is_animated_png(bytes);
    case ImageFormat::avif:
    case ImageFormat::heic:
      return std::ranges::any_of(brands_of(bytes), [](auto brand) { return brand == "avis" || brand == "msf1"; });
    case ImageFormat::tiff: {
      const std::optional<TiffNumbers> tiff = TiffNumbers::of(bytes);
      return tiff && tiff->has_second_directory();
    }
    default:
      return false;
  }
}

}  // namespace gemma::media
