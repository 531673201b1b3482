// SPDX-License-Identifier: Apache-2.0
// Speech to text, piece by piece: what a model is asked, as Google documents it for Gemma 4, what its answer says, and
// the pieces as one text with times.
//
//   Transcript transcript;
//   for (each piece) {                                                            // as SpeechRun does (speech_run.h)
//     const std::string question = speech_question(task, transcript.tail());
//     transcript.add({begin, end, heard_begin, heard_end, overlaps, speech_answer(task, answer)});
//   }
//   transcript.text(); as_srt(transcript.cues());
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exchange/subtitles.h"

namespace gemma {

struct SpeechTask {
  std::string language;  // that is spoken: "English"; "": not known
  std::string to;        // that it is translated into, too; "": it is not
};

struct SpeechText {
  std::string text, translation;
};

/** before: the words just before the piece, "" for none, which the model is told not to say again. */
std::string speech_question(const SpeechTask& task, std::string_view before);
/** The last words of a text as a question quotes them. */
std::string spoken_tail(std::string_view text, size_t words);
/** Blanks and newlines become single blanks. With a translation: what stands behind "LANGUAGE:", else behind the first
 *  line; where there is neither the answer is the text alone. */
SpeechText speech_answer(const SpeechTask& task, std::string_view answer);

struct SpeechSegment {
  double begin = 0, end = 0;              // seconds
  double heard_begin = 0, heard_end = 0;  // within these: where something is to be heard
  bool overlaps = false;                  // begins before the one before it ends
  SpeechText said;
  /** What it says in the language that is asked for; where no translation came, in the one that is spoken. */
  const std::string& words() const { return said.translation.empty() ? said.text : said.translation; }
};

class Transcript {
 public:
  /** Segments that overlap meet in the middle afterwards, and have no word twice. */
  void add(SpeechSegment segment);
  /** The last but one changes no more once another is added. */
  const std::vector<SpeechSegment>& segments() const { return segments_; }

  /** All segments as one text. */
  std::string text() const { return whole(&SpeechText::text); }
  std::string translation() const { return whole(&SpeechText::translation); }
  /** The words of the first `count` segments. More of them only add to it, once the last is not the newest. */
  std::string words(size_t count) const;
  /** The last words, for the next question; "" at the beginning. */
  std::string tail() const;
  /** Subtitles; of the translation where there is one. */
  std::vector<Cue> cues() const;

 private:
  std::string whole(std::string SpeechText::* part) const;
  std::vector<SpeechSegment> segments_;
};

}  // namespace gemma
