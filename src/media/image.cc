// SPDX-License-Identifier: Apache-2.0
#include "media/image.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/error.h"
#include "media/decoders.h"
#include "media/header.h"

namespace gemma::media {
namespace {

std::optional<ImageFormat> recognise_heif(std::span<const std::byte> bytes) {
  for (const std::string_view brand : brands_of(bytes)) {
    if (brand == "avif" || brand == "avis") return ImageFormat::avif;
    for (const std::string_view heic : {"heic", "heix", "hevc", "heim", "heis"}) {
      if (brand == heic) return ImageFormat::heic;
    }
  }
  return std::nullopt;
}

/** A BMP begins with two letters only, so that its header is looked at as well. */
bool is_bmp(std::span<const std::byte> bytes) {
  if (text_at(bytes, 0, 2) != "BM" || bytes.size() < 18) return false;
  const auto byte = [&](size_t at) { return std::to_integer<unsigned>(bytes[at]); };
  const unsigned header = byte(14) | byte(15) << 8 | byte(16) << 16 | byte(17) << 24;
  return header == 12 || header == 16 || (header >= 40 && header <= 124);
}

/** round(colour * a/255 + 255 * (1 - a/255)) as the reference rounds: 7 bits more than the result, then a division by
 *  255 of shifts. */
uint8_t over_white(unsigned colour, unsigned alpha) {
  if (alpha == 0) return 255;
  const unsigned sum = (colour * alpha + 255 * (255 - alpha) + 128) << 7;
  return static_cast<uint8_t>((((sum >> 8) + sum) >> 8) >> 7);
}

Pixels to_pixels(RawImage raw, Alpha alpha) {
  if (raw.channels == 3) return {raw.width, raw.height, std::move(raw.data)};
  const int64_t count = int64_t{raw.width} * raw.height;
  for (int64_t i = 0; i < count; ++i) {  // in place: a pixel's three bytes lie before its four
    const uint8_t* from = raw.data.data() + i * 4;
    const std::array<uint8_t, 4> pixel{from[0], from[1], from[2], from[3]};
    uint8_t* to = raw.data.data() + i * 3;
    for (size_t c = 0; c < 3; ++c) to[c] = alpha == Alpha::drop ? pixel[c] : over_white(pixel[c], pixel[3]);
  }
  raw.data.resize(static_cast<size_t>(count) * 3);
  return {raw.width, raw.height, std::move(raw.data)};
}

RawImage decode(const ImageFile& file, ImageFormat format) {
  switch (format) {
    case ImageFormat::jpeg:
      return decode_jpeg(file);
    case ImageFormat::png:
      return decode_png(file);
    case ImageFormat::webp:
      return decode_webp(file);
    case ImageFormat::avif:
    case ImageFormat::heic:
      return decode_heif(file);
    default:
      return decode_by_ffmpeg(file, format);
  }
}

}  // namespace

std::string_view name_of(ImageFormat format) {
  constexpr std::array<std::string_view, 8> kNames{"JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"};
  return kNames[static_cast<size_t>(format)];
}

std::optional<ImageFormat> recognise_image(std::span<const std::byte> bytes) {
  constexpr std::string_view kTiffLittle("II*\0", 4), kTiffBig("MM\0*", 4);
  if (text_at(bytes, 0, 3) == "\xff\xd8\xff") return ImageFormat::jpeg;
  if (text_at(bytes, 0, 8) == "\x89PNG\r\n\x1a\n") return ImageFormat::png;
  if (text_at(bytes, 0, 4) == "RIFF" && text_at(bytes, 8, 4) == "WEBP") return ImageFormat::webp;
  if (text_at(bytes, 0, 6) == "GIF87a" || text_at(bytes, 0, 6) == "GIF89a") return ImageFormat::gif;
  if (text_at(bytes, 0, 4) == kTiffLittle || text_at(bytes, 0, 4) == kTiffBig) return ImageFormat::tiff;
  if (is_bmp(bytes)) return ImageFormat::bmp;
  return recognise_heif(bytes);
}

void check_size(const ImageFile& file, int64_t width, int64_t height) {
  if (width < 1 || height < 1) fail(file.name, "a picture of {} x {} pixels holds nothing", width, height);
  if (width > file.max_pixels / height || width > INT32_MAX || height > INT32_MAX) {
    fail(file.name, "a picture of {} x {} pixels: expected at most {} pixels (--max-pixels)", width, height,
         file.max_pixels);
  }
}

RawImage new_image(const ImageFile& file, int64_t width, int64_t height, int channels) {
  check_size(file, width, height);
  RawImage image{static_cast<int>(width), static_cast<int>(height), channels, {}, 1};
  image.data.resize(static_cast<size_t>(width * height * channels));
  return image;
}

Image decode_image(const ByteSource& source, const ImageOptions& options) {
  const FileBytes file(source, "a picture file", options.max_bytes);
  const std::optional<ImageFormat> format = recognise_image(file.bytes());
  if (!format) {
    fail(file.name(), "expected a picture (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC), found {}",
         what_it_is(file.bytes()));
  }
  RawImage raw = decode({file.name(), file.bytes(), options.max_pixels}, *format);
  Image image{{}, *format, raw.orientation, raw.first_of_several || has_more_pictures(file.bytes(), *format)};
  file.check();
  image.pixels = to_pixels(std::move(raw), options.alpha);
  if (options.turn) image.pixels = turned(std::move(image.pixels), image.orientation);
  return image;
}

}  // namespace gemma::media
