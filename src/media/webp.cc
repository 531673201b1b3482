// SPDX-License-Identifier: Apache-2.0
// WebP by libwebp, lossy and lossless; of an animation the first picture, on its whole canvas.
#include <webp/decode.h>
#include <webp/demux.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/error.h"
#include "media/decoders.h"

namespace gemma::media {
namespace {

constexpr size_t kFileHeader = 12, kChunkHeader = 8;
constexpr std::string_view kExifStart("Exif\0\0", 6);

/** The EXIF chunk of the container. */
int orientation_of(std::span<const std::byte> bytes) {
  for (size_t at = kFileHeader; at + kChunkHeader <= bytes.size();) {
    uint32_t size = 0;
    std::memcpy(&size, bytes.data() + at + 4, sizeof size);
    const std::span<const std::byte> rest = bytes.subspan(at + kChunkHeader);
    if (size > rest.size()) return 1;
    if (std::memcmp(bytes.data() + at, "EXIF", 4) == 0) {
      std::span<const std::byte> exif = rest.first(size);
      if (size > 6 && std::memcmp(exif.data(), kExifStart.data(), kExifStart.size()) == 0) exif = exif.subspan(6);
      return exif_orientation(exif);
    }
    at += kChunkHeader + size + size % 2;
  }
  return 1;
}

void read_first_of_animation(const ImageFile& file, RawImage& image) {
  const WebPData data{file.data(), file.bytes.size()};
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) fail(file.name, "libwebp of another version than it was built with");
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                                   WebPAnimDecoderDelete);
  uint8_t* canvas = nullptr;
  int time = 0;
  WebPAnimInfo info;
  if (decoder == nullptr || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      info.canvas_width != static_cast<uint32_t>(image.width) ||
      info.canvas_height != static_cast<uint32_t>(image.height) ||
      WebPAnimDecoderGetNext(decoder.get(), &canvas, &time) == 0) {
    fail(file.name, "cannot decode this WebP animation: its data is damaged or ends early");
  }
  std::memcpy(image.data.data(), canvas, image.data.size());
}

}  // namespace

RawImage decode_webp(const ImageFile& file) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data(), file.bytes.size(), &features) != VP8_STATUS_OK) {
    fail(file.name, "not a WebP that can be read: its header is damaged or ends early");
  }
  const bool animated = features.has_animation != 0;
  const int channels = features.has_alpha != 0 || animated ? 4 : 3;
  RawImage image = new_image(file, features.width, features.height, channels);
  if (animated) {
    read_first_of_animation(file, image);
  } else {
    const auto read = channels == 4 ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
    if (read(file.data(), file.bytes.size(), image.data.data(), image.data.size(), image.width * channels) == nullptr) {
      fail(file.name, "cannot decode this WebP: its data is damaged or ends early");
    }
  }
  image.orientation = orientation_of(file.bytes);
  return image;
}

}  // namespace gemma::media
