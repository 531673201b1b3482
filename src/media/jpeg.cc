// SPDX-License-Identifier: Apache-2.0
// JPEG by libjpeg-turbo: the slow exact DCT and smooth upsampling of chroma, as the reference's decoder has them.
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // before jpeglib.h, which needs it
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <jerror.h>
#include <jpeglib.h>

#include "base/error.h"
#include "media/decoders.h"

namespace gemma::media {
namespace {

constexpr int kMaxScans = 200;  // a few kilobytes of empty scans of a large picture would keep a processor for hours
constexpr std::string_view kExifStart("Exif\0\0", 6);

/** libjpeg reports by calling back and must not be returned to: it is left by longjmp, over frames of its own and of
 *  functions here that own nothing. */
struct Decoder {
  jpeg_decompress_struct info = {};  // first: callbacks get its address
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf jump = {};
  char message[JMSG_LENGTH_MAX] = {};
};

Decoder& decoder_of(j_common_ptr info) { return *reinterpret_cast<Decoder*>(info); }

void on_error(j_common_ptr info) {
  Decoder& decoder = decoder_of(info);
  decoder.errors.format_message(info, decoder.message);
  std::longjmp(decoder.jump, 1);
}

/** Warnings are for damage that can be passed over. A file that ends early is not: the rest would be grey. */
void on_message(j_common_ptr info, int level) {
  if (level >= 0 || info->err->msg_code != JWRN_JPEG_EOF) return;
  std::snprintf(decoder_of(info).message, JMSG_LENGTH_MAX, "the file ends before the picture does");
  std::longjmp(decoder_of(info).jump, 1);
}

void on_progress(j_common_ptr info) {
  Decoder& decoder = decoder_of(info);
  if (decoder.info.input_scan_number <= kMaxScans) return;
  std::snprintf(decoder.message, JMSG_LENGTH_MAX, "more than %d scans", kMaxScans);
  std::longjmp(decoder.jump, 1);
}

/** The header, and what colours are wanted. */
bool read_header(Decoder& decoder, const ImageFile& file) {
  if (setjmp(decoder.jump) != 0) return false;
  jpeg_decompress_struct& info = decoder.info;
  jpeg_create_decompress(&info);
  info.progress = &decoder.progress;
  decoder.progress.progress_monitor = on_progress;
  jpeg_mem_src(&info, file.data(), static_cast<unsigned long>(file.bytes.size()));
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&info, TRUE);
  const bool four = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = four ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  return true;
}

/** Rows of 3 or 4 channels to `out`. */
bool read_rows(Decoder& decoder, uint8_t* out) {
  if (setjmp(decoder.jump) != 0) return false;
  jpeg_decompress_struct& info = decoder.info;
  jpeg_start_decompress(&info);
  const int64_t stride = int64_t{info.output_width} * info.output_components;
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = out + info.output_scanline * stride;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return true;
}

int orientation_of(const jpeg_decompress_struct& info) {
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (!data.starts_with(kExifStart)) continue;
    return exif_orientation(std::as_bytes(std::span(data.substr(kExifStart.size()))));
  }
  return 1;
}

/** round(a * b / 255). */
int scaled(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/** Inks to light, in place: what black leaves, less the share of it that an ink takes. Adobe stores inks inverted. */
RawImage from_cmyk(RawImage image, bool inverted) {
  const int64_t count = int64_t{image.width} * image.height;
  const int flip = inverted ? 255 : 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t* from = image.data.data() + i * 4;
    const int light = 255 - (from[3] ^ flip);
    const int inks[3] = {from[0] ^ flip, from[1] ^ flip, from[2] ^ flip};
    for (int c = 0; c < 3; ++c) {
      image.data[static_cast<size_t>(i * 3 + c)] = static_cast<uint8_t>(light - scaled(inks[c], light));
    }
  }
  image.channels = 3;
  image.data.resize(static_cast<size_t>(count) * 3);
  return image;
}

/** Frees what libjpeg holds, however decoding ended. */
struct Ending {
  explicit Ending(Decoder& d) : decoder(d) {}
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending() { jpeg_destroy_decompress(&decoder.info); }
  Decoder& decoder;
};

}  // namespace

RawImage decode_jpeg(const ImageFile& file) {
  Decoder decoder;
  decoder.info.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = on_error;
  decoder.errors.emit_message = on_message;
  const Ending ending(decoder);
  if (!read_header(decoder, file)) fail(file.name, "not a JPEG that can be read: {}", decoder.message);
  const bool four = decoder.info.out_color_space == JCS_CMYK;
  const bool inverted = decoder.info.saw_Adobe_marker != FALSE;
  RawImage image = new_image(file, decoder.info.image_width, decoder.info.image_height, four ? 4 : 3);
  image.orientation = orientation_of(decoder.info);
  if (!read_rows(decoder, image.data.data())) fail(file.name, "cannot decode this JPEG: {}", decoder.message);
  return four ? from_cmyk(std::move(image), inverted) : image;
}

}  // namespace gemma::media
