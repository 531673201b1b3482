// SPDX-License-Identifier: Apache-2.0
#include "serve/sound_part.h"

#include <fmt/format.h>

#include <span>
#include <string_view>
#include <utility>

#include "media/file_bytes.h"
#include "serve/base64.h"

namespace gemma::serve {
namespace {

std::optional<std::string> decoded(std::string_view data) {
  return base64_decoded(data.starts_with("data:") ? data.substr(data.find(',') + 1) : data);
}

/** A format that the bytes are known not to be. */
void check_sound_format(Fields& audio, std::string_view bytes) {
  const auto format = audio.word("format", {"wav", "mp3", "flac", "ogg", "opus", "m4a", "mp4", "webm"});
  if (!format) return;
  std::string_view name = "WebM";
  if (*format == "wav") name = "WAV";
  if (*format == "mp3") name = "MP3";
  if (*format == "flac") name = "FLAC";
  if (*format == "ogg" || *format == "opus") name = "Ogg";
  if (*format == "m4a" || *format == "mp4") name = "MP4";
  const std::string found = media::what_it_is(std::as_bytes(std::span(bytes)));
  // What is known in no more words may be that, and that a picture is no sound is said where it is decoded.
  for (const std::string_view vague : {"none of these", "a sound file", "a film or sound file"}) {
    if (found == vague) return;
  }
  if (found.starts_with("a picture") || found.find(name) != std::string::npos) return;
  audio.fail("format", fmt::format("expected what the bytes are, {}, found '{}'", found, *format));
}

}  // namespace

std::optional<MediaSource> read_sound_part(Fields& part, const std::string& where) {
  const json::object* given = part.object("input_audio");
  if (given == nullptr) part.fail("input_audio", "expected an object with \"data\"");
  if (given == nullptr) return std::nullopt;
  Fields audio(*given, part.name_of("input_audio"));
  const auto data = audio.text("data");
  if (!data) audio.fail("data", "is missing");
  auto bytes = decoded(data.value_or(""));
  if (!bytes) audio.fail("data", "expected base64");
  check_sound_format(audio, bytes.value_or(""));
  if (auto failure = audio.failure()) {
    part.fail(std::move(*failure));
    return std::nullopt;
  }
  return MediaSource{media::Kind::audio, where, std::move(*bytes), 0};
}

}  // namespace gemma::serve
