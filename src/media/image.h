// SPDX-License-Identifier: Apache-2.0
// Picture files to pixels. The format is known by the file's content, whatever its name; nothing is allocated before
// its header has been held against the limits.
//
//   Image image = decode_image(*file_source("bike.jpg"), {});
//   Pixels small = resize(image.pixels, 768, 768);        // media/resize.h
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "file/model_file.h"

namespace gemma::media {

/** Eight bits a channel, [height][width][3]: red, green, blue. */
struct Pixels {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

enum class ImageFormat : uint8_t { jpeg, png, webp, gif, bmp, tiff, avif, heic };
std::string_view name_of(ImageFormat format);  // "JPEG"

/** What the first bytes say; nullopt for anything that is no picture we know. */
std::optional<ImageFormat> recognise_image(std::span<const std::byte> bytes);

/** Where a picture is not opaque. white: what lies under it is white, as the reference's image processor has it.
 *  drop: its colours as they are stored, as the reference's own file loader has it. */
enum class Alpha : uint8_t { white, drop };

struct ImageOptions {
  Alpha alpha = Alpha::white;
  bool turn = true;  // as the orientation tag says; false: as it is stored, as the image processor alone does
  int64_t max_bytes = 256'000'000;   // of the file
  int64_t max_pixels = 200'000'000;  // of the picture
};

struct Image {
  Pixels pixels;
  ImageFormat format = ImageFormat::jpeg;
  int orientation = 1;            // the tag, 1 to 8; `pixels` has been turned by it where the options asked for that
  bool first_of_several = false;  // there are other frames or pages
};

/** Of an animation or a file of several pages the first, of AVIF and HEIC the one that is named as the main one. Fails
 *  with the file's name and one line. */
Image decode_image(const ByteSource& source, const ImageOptions& options);

/** The pixels as tag `orientation` (1 to 8) says they are to be seen. */
Pixels turned(Pixels pixels, int orientation);

/** Whether the program was built with what GIF, BMP and TIFF, or AVIF and HEIC, need. */
bool has_ffmpeg();
bool has_heif();

}  // namespace gemma::media
