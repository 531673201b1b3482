// SPDX-License-Identifier: Apache-2.0
#include "media/decoders.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "media/header.h"

namespace gemma::media {
namespace {

/** Pages that begin streams come first, each with the head of one. */
bool begins_pictures_in_ogg(std::span<const std::byte> bytes) {
  constexpr size_t kHeader = 27, kFlags = 5, kSegments = 26;
  constexpr std::byte kBegins{2};
  while (text_at(bytes, 0, 4) == "OggS" && bytes.size() >= kHeader && (bytes[kFlags] & kBegins) != std::byte{0}) {
    const auto segments = std::to_integer<size_t>(bytes[kSegments]);
    if (bytes.size() < kHeader + segments) return false;
    size_t length = 0;
    for (const std::byte size : bytes.subspan(kHeader, segments)) length += std::to_integer<size_t>(size);
    bytes = bytes.subspan(kHeader + segments);
    if (text_at(bytes, 0, 7) == "\x80theora" || text_at(bytes, 0, 5) == "OVP80") return true;
    bytes = bytes.subspan(std::min(length, bytes.size()));
  }
  return false;
}

/** AVIF and HEIC are in the boxes of MP4. */
bool is_still(std::span<const std::byte> bytes) {
  const std::optional<ImageFormat> picture = recognise_image(bytes);
  return picture && !has_more_pictures(bytes, *picture);
}

/** Frames of MPEG audio begin with eleven ones; layer 0 is AAC's. */
bool is_mp3(std::span<const std::byte> bytes) {
  if (text_at(bytes, 0, 3) == "ID3") return true;
  return bytes.size() > 2 && bytes[0] == std::byte{0xff} && (bytes[1] & std::byte{0xe0}) == std::byte{0xe0} &&
         (bytes[1] & std::byte{0x06}) != std::byte{0};
}

}  // namespace

bool is_sound_in_ogg(std::span<const std::byte> bytes) {
  return text_at(bytes, 0, 4) == "OggS" && !begins_pictures_in_ogg(bytes);
}

bool is_plain_sound(std::span<const std::byte> bytes) {
  const std::string_view first = text_at(bytes, 0, 4), kind = text_at(bytes, 8, 4);
  if ((first == "RIFF" || first == "RIFX" || first == "RF64") && kind == "WAVE") return true;
  if (first == "FORM" && (kind == "AIFF" || kind == "AIFC")) return true;
  return first == "fLaC" || is_sound_in_ogg(bytes) || is_mp3(bytes);
}

bool is_film(std::span<const std::byte> bytes) {
  const std::string_view first = text_at(bytes, 0, 4), box = text_at(bytes, 4, 4);
  if (is_still(bytes)) return false;
  if (box == "ftyp" || box == "moov" || box == "mdat" || box == "wide") return true;  // MP4, QuickTime, m4a
  if (first == "\x1a\x45\xdf\xa3" || first == "OggS") return true;                    // Matroska, WebM; Theora, VP8
  if (first == "RIFF" && text_at(bytes, 8, 4) == "AVI ") return true;
  if (text_at(bytes, 0, 1) == "G" && text_at(bytes, 188, 1) == "G" && text_at(bytes, 376, 1) == "G") return true;  // TS
  const std::string_view sync = text_at(bytes, 0, 2);
  return sync == "\xff\xf1" || sync == "\xff\xf9";  // AAC
}

}  // namespace gemma::media
