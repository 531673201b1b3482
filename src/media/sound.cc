// SPDX-License-Identifier: Apache-2.0
// Which decoder a sound file gets, and the one for the common formats: libsndfile.
#include "media/sound.h"

#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "media/decoders.h"
#include "media/file_bytes.h"

namespace gemma::media {
namespace {

constexpr int64_t kBlockSamples = 65536;

/** libsndfile reads through these. */
struct Reader {
  std::span<const std::byte> bytes;
  sf_count_t at = 0;

  sf_count_t size() const { return static_cast<sf_count_t>(bytes.size()); }
};

sf_count_t size_of(void* user) { return static_cast<Reader*>(user)->size(); }

sf_count_t seek(sf_count_t offset, int whence, void* user) {
  auto& reader = *static_cast<Reader*>(user);
  const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reader.at : reader.size();
  sf_count_t to = 0;
  if (__builtin_add_overflow(from, offset, &to) || to < 0) return -1;
  return reader.at = std::min(to, reader.size());
}

sf_count_t read(void* out, sf_count_t n, void* user) {
  auto& reader = *static_cast<Reader*>(user);
  n = std::clamp<sf_count_t>(n, 0, reader.size() - reader.at);
  if (n > 0) std::memcpy(out, reader.bytes.data() + reader.at, static_cast<size_t>(n));
  reader.at += n;
  return n;
}

sf_count_t tell(void* user) { return static_cast<Reader*>(user)->at; }

struct Closer {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

std::string format_name(int format) {
  switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_AIFF:
      return "AIFF";
    case SF_FORMAT_FLAC:
      return "FLAC";
    case SF_FORMAT_MPEG:
      return "MP3";
    case SF_FORMAT_OGG:
      return (format & SF_FORMAT_SUBMASK) == SF_FORMAT_OPUS ? "Ogg Opus" : "Ogg Vorbis";
    default:
      return "WAV";
  }
}

Sound decode_by_libsndfile(const FileBytes& file, const SoundOptions& options) {
  Reader reader{file.bytes()};
  SF_VIRTUAL_IO io{size_of, seek, read, nullptr, tell};
  SF_INFO info = {};
  const std::unique_ptr<SNDFILE, Closer> sound(sf_open_virtual(&io, SFM_READ, &info, &reader));
  if (sound == nullptr) fail(file.name(), "not a sound file that can be read: {}", sf_strerror(nullptr));
  if (info.frames > options.max_seconds * std::max(info.samplerate, 1)) {
    fail(file.name(), "{:g} seconds of sound: expected at most {:g} (--max-seconds)",
         static_cast<double>(info.frames) / info.samplerate, options.max_seconds);
  }
  SoundBuilder builder(file.name(), info.samplerate, info.channels, options.max_seconds);
  const sf_count_t frames = std::max<int64_t>(kBlockSamples / info.channels, 1);
  std::vector<float> block(static_cast<size_t>(frames * info.channels));
  while (true) {
    const sf_count_t got = sf_readf_float(sound.get(), block.data(), frames);
    builder.add(std::span(block).first(static_cast<size_t>(std::max<sf_count_t>(got, 0) * info.channels)));
    if (sf_error(sound.get()) != SF_ERR_NO_ERROR) {
      fail(file.name(), "cannot decode this sound: {}", sf_strerror(sound.get()));
    }
    if (got < frames) break;
  }
  return builder.finish(format_name(info.format));
}

}  // namespace

Sound decode_sound(const ByteSource& source, const SoundOptions& options) {
  const FileBytes file(source, "a sound file", options.max_bytes);
  std::optional<Sound> sound;
  if (is_plain_sound(file.bytes())) {
    sound = decode_by_libsndfile(file, options);
  } else if (is_film(file.bytes())) {
    sound = decode_sound_by_ffmpeg(file, options);
  } else {
    fail(file.name(), "expected a sound file (WAV, AIFF, FLAC, Ogg, Opus, MP3, m4a, AAC, WebM), found {}",
         what_it_is(file.bytes()));
  }
  file.check();
  return std::move(*sound);
}

}  // namespace gemma::media
