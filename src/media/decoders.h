// SPDX-License-Identifier: Apache-2.0
// The decoders of formats, a file each. Inside the module only: the faces are media/image.h and media/sound.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "media/file_bytes.h"
#include "media/image.h"
#include "media/sound.h"

namespace gemma::media {

/** What a decoder is given: all bytes of the file, its name for messages, and the limit of pixels. */
struct ImageFile {
  const std::string& name;
  std::span<const std::byte> bytes;
  int64_t max_pixels;

  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(bytes.data()); }
};

/** What it returns: [height][width][channels], 3 (RGB) or 4 (RGBA, not premultiplied). */
struct RawImage {
  int width = 0, height = 0, channels = 3;
  std::vector<uint8_t> data;
  int orientation = 1;
  bool first_of_several = false;  // as its decoder has counted; header.h knows what a header tells

  uint8_t* row(int y) { return data.data() + int64_t{y} * width * channels; }
};

RawImage decode_jpeg(const ImageFile& file);
RawImage decode_png(const ImageFile& file);
RawImage decode_webp(const ImageFile& file);
/** GIF, BMP, TIFF. */
RawImage decode_by_ffmpeg(const ImageFile& file, ImageFormat format);
/** AVIF, HEIC. */
RawImage decode_heif(const ImageFile& file);

/** Whether the first bytes are those of a container that FFmpeg is asked to read. AVIF and HEIC are such where they say
 *  that they are sequences. */
bool is_film(std::span<const std::byte> bytes);
/** Whether they are those of an Ogg file without pictures; one with pictures is a film. */
bool is_sound_in_ogg(std::span<const std::byte> bytes);
/** Whether they are those of a file of sound alone. */
bool is_plain_sound(std::span<const std::byte> bytes);
/** The sound of a film. */
Sound decode_sound_by_ffmpeg(const FileBytes& file, const SoundOptions& options);

/** Fails where a picture holds nothing or more than the limit. */
void check_size(const ImageFile& file, int64_t width, int64_t height);
/** The memory for a picture of such a size. */
RawImage new_image(const ImageFile& file, int64_t width, int64_t height, int channels);

/** The orientation tag of an EXIF block (a TIFF header and its first directory); 1 where there is none that makes
 *  sense: a damaged block is no reason to refuse the picture. */
int exif_orientation(std::span<const std::byte> exif);

}  // namespace gemma::media
