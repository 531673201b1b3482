// SPDX-License-Identifier: Apache-2.0
// A long sound on its way to text: its pieces, one question about each, and what the answers come to.
//
//   SpeechRun run(task, sound, prompt);               // sound: cut at its pauses (media::Cut::pauses)
//   while (run.next()) run.hear(answer_to(run.clip(), run.question()));
//   run.transcript().text();
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/exchange.h"
#include "exchange/media_facts.h"
#include "exchange/speech.h"

namespace gemma {

class SpeechRun {
 public:
  /** before: words that may have come before the first piece, "" for none. apart: whether the model is not told the
   *  words before a piece. Fails with the sound's name where its facts make no sense. */
  SpeechRun(SpeechTask task, std::shared_ptr<const Media> sound, std::string_view before, bool apart);

  /** Goes on to the next piece in which something is to be heard; false at the end. */
  bool next();
  // Of that piece.
  const std::shared_ptr<const Media>& clip() const { return clips_[at_]; }
  const SpeechSegment& segment() const { return segments_[at_]; }
  std::string question() const;
  /** Tokens that its answer may have: more is nonsense that goes on and on. */
  int most_tokens() const;
  /** Adds what has been heard; what is wrong with the answer in a few words, "" for nothing. */
  std::string hear(const Answer& answer);

  /** Whether there is a text, be it empty: not where every piece that was asked about went wrong. */
  bool heard() const { return transcript_.segments().empty() || transcript_.segments().size() > failed_; }
  const Transcript& transcript() const { return transcript_; }
  /** Of the whole. */
  double seconds() const { return seconds_; }

 private:
  const SpeechTask task_;
  const std::shared_ptr<const Media> sound_;
  const std::string before_;
  const bool apart_;
  double seconds_ = 0;
  MediaList clips_;  // in which something is to be heard
  std::vector<SpeechSegment> segments_;
  size_t at_ = 0, failed_ = 0;
  bool begun_ = false;
  Transcript transcript_;
};

}  // namespace gemma
