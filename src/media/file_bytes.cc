// SPDX-License-Identifier: Apache-2.0
#include "media/file_bytes.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "media/decoders.h"

namespace gemma::media {

FileBytes::FileBytes(const ByteSource& source, std::string_view kind, int64_t limit) : source_(source) {
  const int64_t size = source.size();
  if (size == 0) fail(source.name(), "expected {}, found an empty file", kind);
  if (size > limit) fail(source.name(), "{} of {} bytes: expected at most {} (--max-bytes)", kind, size, limit);
  mapped_ = source.map();
  if (mapped_ != nullptr) {
    bytes_ = {mapped_->host(), static_cast<size_t>(size)};
  } else {
    copied_.resize(static_cast<size_t>(size));
    source.read(0, copied_);
    bytes_ = copied_;
  }
}

std::string what_it_is(std::span<const std::byte> bytes) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kKinds{
      {{"%PDF", "a PDF"},
       {"<svg", "an SVG"},
       {"<?xml", "an XML or SVG"},
       {"<!DOCTYPE", "a web page"},
       {"<html", "a web page"},
       {"#EXTM3U", "a playlist"},
       {"GGUF", "a GGUF model"},
       {"8BPS", "a Photoshop document"},
       {"fLaC", "a sound file (FLAC)"},
       {"OggS", "a sound file (Ogg)"},
       {"ID3", "a sound file (MP3)"},
       {"\x1a\x45\xdf\xa3", "a film (WebM, Matroska)"},
       {"PK\x03\x04", "a ZIP archive"}}};
  for (const auto& [start, kind] : kKinds) {
    if (text_at(bytes, 0, start.size()) == start) return std::string(kind);
  }
  if (text_at(bytes, 0, 4) == "RIFF" && text_at(bytes, 8, 4) == "WAVE") return "a sound file (WAV)";
  if (text_at(bytes, 0, 4) == "RIFF" && text_at(bytes, 8, 4) == "WEBP") return "a picture (WebP)";
  if (text_at(bytes, 0, 4) == "RIFF" && text_at(bytes, 8, 4) == "AVI ") return "a film (AVI)";
  if (text_at(bytes, 0, 4) == "\x89PNG") return "a picture (PNG)";
  if (text_at(bytes, 0, 3) == "\xff\xd8\xff") return "a picture (JPEG)";
  if (text_at(bytes, 0, 4) == "GIF8") return "a picture (GIF)";
  if (const auto format = recognise_image(bytes)) return fmt::format("a picture ({})", name_of(*format));
  if (text_at(bytes, 4, 4) == "ftyp") return "a film or sound file (MP4)";
  if (is_plain_sound(bytes)) return "a sound file";
  if (is_film(bytes)) return "a film or sound file";
  return "none of these";
}

}  // namespace gemma::media
