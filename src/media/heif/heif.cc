// SPDX-License-Identifier: Apache-2.0
// AVIF and HEIC by libheif, which turns the picture itself as its boxes say.
#include <libheif/heif.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "media/decoders.h"

namespace gemma::media {
namespace {

template <auto Release>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    Release(object);
  }
};
using Context = std::unique_ptr<heif_context, Releaser<heif_context_free>>;
using Handle = std::unique_ptr<heif_image_handle, Releaser<heif_image_handle_release>>;
using Picture = std::unique_ptr<heif_image, Releaser<heif_image_release>>;
using Options = std::unique_ptr<heif_decoding_options, Releaser<heif_decoding_options_free>>;

void check(const ImageFile& file, const heif_error& error) {
  if (error.code != heif_error_Ok) fail(file.name, "cannot decode this AVIF or HEIC: {}", error.message);
}

}  // namespace

bool has_heif() { return true; }

RawImage decode_heif(const ImageFile& file) {
  const Context context(heif_context_alloc());
  heif_context_set_max_decoding_threads(context.get(), 0);
  check(file, heif_context_read_from_memory_without_copy(context.get(), file.bytes.data(), file.bytes.size(), nullptr));
  heif_image_handle* found = nullptr;
  check(file, heif_context_get_primary_image_handle(context.get(), &found));
  const Handle handle(found);
  const int channels = heif_image_handle_has_alpha_channel(handle.get()) != 0 ? 4 : 3;
  RawImage image =
      new_image(file, heif_image_handle_get_width(handle.get()), heif_image_handle_get_height(handle.get()), channels);
  // Neither thumbnails, nor alpha, depth and the like, nor the tiles of a grid are counted.
  image.first_of_several = heif_context_get_number_of_top_level_images(context.get()) > 1;
  const Options options(heif_decoding_options_alloc());
  options->convert_hdr_to_8bit = 1;
  heif_image* decoded = nullptr;
  check(file,
        heif_decode_image(handle.get(), &decoded, heif_colorspace_RGB,
                          channels == 4 ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, options.get()));
  const Picture picture(decoded);
  int stride = 0;
  const uint8_t* rows = heif_image_get_plane_readonly(picture.get(), heif_channel_interleaved, &stride);
  if (rows == nullptr || heif_image_get_width(picture.get(), heif_channel_interleaved) != image.width ||
      heif_image_get_height(picture.get(), heif_channel_interleaved) != image.height) {
    fail(file.name, "cannot decode this AVIF or HEIC: its parts are of different sizes");
  }
  for (int y = 0; y < image.height; ++y) {
    std::memcpy(image.row(y), rows + int64_t{y} * stride, static_cast<size_t>(image.width) * channels);
  }
  return image;
}

}  // namespace gemma::media
