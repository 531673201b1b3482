// SPDX-License-Identifier: Apache-2.0
// Long sound cut where it is quietest, so that no word is cut where there is a pause to cut in.
//
//   for (const PausePiece& piece : cut_at_pauses(sound.samples, 30 * kSoundRate)) ...
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gemma::media {

struct PausePiece {
  int64_t begin = 0, end = 0;  // samples
  /** It begins a second before the one before it ends: between them somebody may be speaking. */
  bool overlaps = false;
};

/** Pieces of at most `most` samples (2 seconds at least), about equally long, that leave nothing out. */
std::vector<PausePiece> cut_at_pauses(std::span<const float> samples, int64_t most);

/** What of it can be heard: from the first to the last 20 ms that are within 35 dB of the loudest ones and above -60 dB
 *  of full scale. Empty, at the beginning, where nothing is. */
struct Heard {
  int64_t begin = 0, end = 0;
};
Heard heard_part(std::span<const float> samples);

}  // namespace gemma::media
