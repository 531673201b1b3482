// SPDX-License-Identifier: Apache-2.0
// Stands in for ffmpeg/ where the program is built without FFmpeg.
#include "base/error.h"
#include "media/decoders.h"
#include "media/film.h"

namespace gemma::media {

bool has_ffmpeg() { return false; }

RawImage decode_by_ffmpeg(const ImageFile& file, ImageFormat format) {
  fail(file.name,
       "a {} picture: this program was built without FFmpeg (Debian: libavformat-dev, README.md); save it as PNG or "
       "JPEG",
       name_of(format));
}

Sound decode_sound_by_ffmpeg(const FileBytes& file, const SoundOptions&) {
  fail(file.name(),
       "{}: this program was built without FFmpeg (Debian: libavformat-dev, README.md); save its sound as WAV, FLAC or "
       "MP3",
       what_it_is(file.bytes()));
}

Film decode_film(const ByteSource& source, const FilmOptions&) {
  fail(source.name(), "a film: this program was built without FFmpeg (Debian: libavformat-dev, README.md)");
}

}  // namespace gemma::media
