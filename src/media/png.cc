// SPDX-License-Identifier: Apache-2.0
// PNG by libpng: any depth, palette, grey, alpha, interlaced. Of 16 bits the upper 8 are taken, as the reference's
// decoder does; gamma and colour profiles are not applied, nor are they there.
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>

#include <png.h>

#include "base/error.h"
#include "media/decoders.h"

namespace gemma::media {
namespace {

constexpr png_alloc_size_t kMaxChunk = 16'000'000;  // of a profile or a text when unpacked

struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t* data = nullptr;
  size_t left = 0;
  char message[200] = {};

  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp message) {
  auto& decoder = *static_cast<Decoder*>(png_get_error_ptr(png));
  std::snprintf(decoder.message, sizeof decoder.message, "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, size_t n) {
  auto& decoder = *static_cast<Decoder*>(png_get_io_ptr(png));
  if (n > decoder.left) png_error(png, "the file ends before the picture does");
  std::memcpy(out, decoder.data, n);
  decoder.data += n;
  decoder.left -= n;
}

bool read_header(Decoder& decoder) {
  if (setjmp(png_jmpbuf(decoder.png)) != 0) return false;
  png_set_read_fn(decoder.png, &decoder, on_read);
  png_set_user_limits(decoder.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // ours are in pixels, and said better
  png_set_chunk_malloc_max(decoder.png, kMaxChunk);
  png_set_chunk_cache_max(decoder.png, 100);
  png_read_info(decoder.png, decoder.info);
  return true;
}

/** Everything becomes RGB or RGBA of 8 bits. */
bool has_alpha(const Decoder& decoder) {
  return (png_get_color_type(decoder.png, decoder.info) & PNG_COLOR_MASK_ALPHA) != 0 ||
         png_get_valid(decoder.png, decoder.info, PNG_INFO_tRNS) != 0;
}

bool read_rows(Decoder& decoder, RawImage& image) {
  if (setjmp(png_jmpbuf(decoder.png)) != 0) return false;
  png_set_expand(decoder.png);
  png_set_strip_16(decoder.png);
  png_set_gray_to_rgb(decoder.png);
  const int passes = png_set_interlace_handling(decoder.png);
  png_read_update_info(decoder.png, decoder.info);
  if (png_get_rowbytes(decoder.png, decoder.info) != static_cast<size_t>(image.width) * image.channels) {
    png_error(decoder.png, "rows of an unexpected size");
  }
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < image.height; ++y) png_read_row(decoder.png, image.row(y), nullptr);
  }
  png_read_end(decoder.png, decoder.info);  // the orientation may stand behind the pixels
  return true;
}

int orientation_of(Decoder& decoder) {
  png_bytep exif = nullptr;
  png_uint_32 bytes = 0;
  if (png_get_eXIf_1(decoder.png, decoder.info, &bytes, &exif) == 0) return 1;
  return exif_orientation(std::as_bytes(std::span(exif, bytes)));
}

}  // namespace

RawImage decode_png(const ImageFile& file) {
  Decoder decoder;
  decoder.data = file.data();
  decoder.left = file.bytes.size();
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, on_error, on_warning);
  if (decoder.png != nullptr) decoder.info = png_create_info_struct(decoder.png);
  if (decoder.info == nullptr) fail(file.name, "no memory to decode a PNG");
  if (!read_header(decoder)) fail(file.name, "not a PNG that can be read: {}", decoder.message);
  RawImage image = new_image(file, png_get_image_width(decoder.png, decoder.info),
                             png_get_image_height(decoder.png, decoder.info), has_alpha(decoder) ? 4 : 3);
  if (!read_rows(decoder, image)) fail(file.name, "cannot decode this PNG: {}", decoder.message);
  image.orientation = orientation_of(decoder);
  return image;
}

}  // namespace gemma::media
