// SPDX-License-Identifier: Apache-2.0
#include "exchange/speech_run.h"

#include <algorithm>
#include <utility>

#include "exchange/media_facts.h"

namespace gemma {
namespace {

// Of an answer about a second of sound, and about nothing.
constexpr double kTokensASecond = 16;
constexpr int kTokensBeside = 80;
constexpr double kLongestPiece = 60;  // seconds, and more than one has
constexpr size_t kMostBefore = 200;   // words before the first piece

}  // namespace

SpeechRun::SpeechRun(SpeechTask task, std::shared_ptr<const Media> sound, std::string_view before, bool apart)
    : task_(std::move(task)), sound_(std::move(sound)), before_(spoken_tail(before, kMostBefore)), apart_(apart) {
  const Facts facts(sound_->name, sound_->facts);
  const std::vector<Facts> pieces = facts.list("clips");
  const MediaList clips = clips_of(*sound_);
  GEMMA_CHECK(pieces.size() == clips.size(), "a clip for each of the facts");
  seconds_ = facts.seconds("seconds");
  for (size_t i = 0; i < clips.size(); ++i) {
    const Facts& clip = pieces[i];
    if (clip.flag("silent")) continue;
    clips_.push_back(clips[i]);
    segments_.push_back({clip.seconds("begin"),
                         clip.seconds("end"),
                         clip.seconds("heard_begin"),
                         clip.seconds("heard_end"),
                         clip.flag("overlaps"),
                         {}});
  }
}

bool SpeechRun::next() {
  at_ += std::exchange(begun_, true) ? 1 : 0;
  return at_ < segments_.size();
}

std::string SpeechRun::question() const {
  const bool first = transcript_.segments().empty();
  return speech_question(task_, apart_ ? "" : first ? before_ : transcript_.tail());
}

int SpeechRun::most_tokens() const {
  const double seconds = std::min(segment().end - segment().begin, kLongestPiece);
  return (kTokensBeside + static_cast<int>(kTokensASecond * seconds)) * (task_.to.empty() ? 1 : 2);
}

std::string SpeechRun::hear(const Answer& answer) {
  SpeechSegment heard = segment();
  heard.said = speech_answer(task_, answer.text);
  const bool lacks_translation = !task_.to.empty() && heard.said.translation.empty();
  transcript_.add(std::move(heard));
  const Finish finish = answer.finish.value_or(Finish::error);
  failed_ += finish == Finish::error;
  if (finish == Finish::error) return answer.error;
  if (finish == Finish::loop) return "the answer repeats itself";
  if (finish == Finish::length) return "the answer does not end";
  if (finish == Finish::context) return "the context is full";
  if (finish == Finish::cancelled) return "stopped";
  return lacks_translation ? "no translation came" : "";
}

}  // namespace gemma
