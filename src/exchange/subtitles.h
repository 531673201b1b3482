// SPDX-License-Identifier: Apache-2.0
// Text with times as subtitles: a few words at a time, in SubRip or WebVTT.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gemma {

struct Cue {
  double begin = 0, end = 0;  // seconds
  std::string text;           // one or two lines
};

/** What is said from `begin` to `end`, cut at sentences where that goes, else between words: two lines of 42 columns at
 *  most. How long each takes is reckoned from its letters. */
std::vector<Cue> cues_of(std::string_view text, double begin, double end);

std::string as_srt(const std::vector<Cue>& cues);
std::string as_vtt(const std::vector<Cue>& cues);

}  // namespace gemma
