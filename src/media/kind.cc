// SPDX-License-Identifier: Apache-2.0
#include "media/kind.h"

#include "media/decoders.h"

namespace gemma::media {

std::optional<Medium> kind_of(std::span<const std::byte> bytes) {
  if (recognise_image(bytes)) return Medium::image;
  if (is_plain_sound(bytes)) return Medium::audio;
  if (!is_film(bytes)) return std::nullopt;
  const std::string_view brand = text_at(bytes, 8, 4), sync = text_at(bytes, 0, 2);
  const bool sound = brand == "M4A " || brand == "M4B " || sync == "\xff\xf1" || sync == "\xff\xf9";  // m4a, AAC
  return sound ? Medium::audio : Medium::video;
}

}  // namespace gemma::media
