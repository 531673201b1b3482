// SPDX-License-Identifier: Apache-2.0
#include "media/decoders.h"

namespace gemma::media {

bool is_film(std::span<const std::byte> bytes) {
  const std::string_view first = text_at(bytes, 0, 4), box = text_at(bytes, 4, 4);
  if (box == "ftyp" || box == "moov" || box == "mdat" || box == "wide") return true;  // MP4, QuickTime, m4a
  if (first == "\x1a\x45\xdf\xa3" || first == "OggS") return true;                    // Matroska, WebM; Theora
  if (first == "RIFF" && text_at(bytes, 8, 4) == "AVI ") return true;
  if (text_at(bytes, 0, 1) == "G" && text_at(bytes, 188, 1) == "G" && text_at(bytes, 376, 1) == "G") return true;  // TS
  const std::string_view sync = text_at(bytes, 0, 2);
  return sync == "\xff\xf1" || sync == "\xff\xf9";  // AAC
}

}  // namespace gemma::media
