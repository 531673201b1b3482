// SPDX-License-Identifier: Apache-2.0
// What frames a film has, by its packets alone.
#pragma once

#include <cstdint>
#include <vector>

#include "media/ffmpeg/container.h"
#include "media/film.h"

namespace gemma::media {

/** Every frame of the film by its time stamp, rising, and the stamps of those that decoding may begin at. */
struct Contents {
  std::vector<int64_t> stamps, keys;
  AVRational base{1, 1};
  double fps = 0, length = 0;
  bool steady = false;  // the frames are at equal distances

  /** The reference reckons times from the number of a frame; where the rate varies the file's own are right. */
  double time_of(int64_t index) const {
    if (steady) return static_cast<double>(index) / fps;
    return seconds(stamps[static_cast<size_t>(index)] - stamps.front(), base);
  }
};

/** Fails where there are no pictures. */
AVStream& picture_stream(Container& container);

Contents read_contents(const FileBytes& file, const FilmOptions& options);

/** How much each frame differs from the one before it, as they are decoded; of the key frames alone where these are
 *  `enough`. */
std::vector<Change> read_changes(const FileBytes& file, const Contents& contents, const FilmOptions& options,
                                 int64_t enough);

}  // namespace gemma::media
