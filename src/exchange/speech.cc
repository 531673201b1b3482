// SPDX-License-Identifier: Apache-2.0
#include "exchange/speech.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "exchange/seam.h"

namespace gemma {
namespace {

constexpr size_t kTailWords = 20;
constexpr std::string_view kOriginal = "its original language";

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (!blank) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/** Puts two neighbours together: what both say is left to one of them. */
void join(std::string& first, std::string& second, bool overlaps) {
  const Seam seam = seam_of(first, second, overlaps);
  first.resize(seam.keep);
  second.erase(0, seam.skip);
  first = one_line(first);
  second = one_line(second);
}

}  // namespace

std::string speech_question(const SpeechTask& task, std::string_view before) {
  const std::string spoken = task.language.empty() ? std::string(kOriginal) : task.language;
  std::string text;
  if (task.to.empty()) {
    text = fmt::format("Transcribe the following speech segment in {}{}\n\n", spoken,
                       task.language.empty() ? "." : fmt::format(" into {} text.", spoken));
    text +=
        "Follow these specific instructions for formatting the answer:\n"
        "* Only output the transcription, with no newlines.\n"
        "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 instead of "
        "three.";
  } else {
    text = fmt::format(
        "Transcribe the following speech segment in {0}, then translate it into {1}.\n"
        "When formatting the answer, first output the transcription in {0}, then one newline, then output the string "
        "'{1}: ', then the translation in {1}.",
        spoken, task.to);
  }
  if (before.empty()) return text;
  return text + fmt::format("\n{}The words before this segment were \"{}\". Do not output them again.",
                            task.to.empty() ? "* " : "", before);
}

std::string spoken_tail(std::string_view text, size_t words) {
  const std::string line = one_line(text);
  std::string tail(tail_of(line, words));
  std::replace(tail.begin(), tail.end(), '"', '\'');
  return tail;
}

SpeechText speech_answer(const SpeechTask& task, std::string_view answer) {
  if (task.to.empty()) return {one_line(answer), ""};
  const std::string name = task.to + ":";
  size_t line = answer.starts_with(name) ? 0 : answer.find("\n" + name);
  size_t begin = line + name.size() + (line > 0 ? 1 : 0);
  if (line == std::string_view::npos) {
    line = answer.find_first_not_of(" \r\n\t");
    line = line == std::string_view::npos ? line : answer.find('\n', line);
    begin = line;
  }
  if (line == std::string_view::npos) return {one_line(answer), ""};
  return {one_line(answer.substr(0, line)), one_line(answer.substr(begin))};
}

void Transcript::add(SpeechSegment segment) {
  if (!segments_.empty()) {
    SpeechSegment& before = segments_.back();
    join(before.said.text, segment.said.text, segment.overlaps);
    join(before.said.translation, segment.said.translation, segment.overlaps);
    if (segment.begin < before.end) {
      before.end = segment.begin = (before.end + segment.begin) / 2;
      before.heard_end = std::min(before.heard_end, before.end);
      segment.heard_begin = std::max(segment.heard_begin, segment.begin);
    }
  }
  segments_.push_back(std::move(segment));
}

std::string Transcript::whole(std::string SpeechText::* part) const {
  std::string text;
  for (const SpeechSegment& segment : segments_) {
    const std::string& more = segment.said.*part;
    text = joined(text, more, {text.size(), 0});
  }
  return text;
}

std::string Transcript::words(size_t count) const {
  std::string text;
  for (size_t i = 0; i < count; ++i) text = joined(text, segments_[i].words(), {text.size(), 0});
  return text;
}

std::string Transcript::tail() const {
  if (segments_.empty()) return "";
  std::string text = segments_.back().said.text;
  if (segments_.size() > 1) text = joined(segments_[segments_.size() - 2].said.text, text, {std::string::npos, 0});
  return spoken_tail(text, kTailWords);
}

std::vector<Cue> Transcript::cues() const {
  std::vector<Cue> cues;
  for (const SpeechSegment& segment : segments_) {
    const std::vector<Cue> more = cues_of(segment.words(), segment.heard_begin, segment.heard_end);
    cues.insert(cues.end(), more.begin(), more.end());
  }
  return cues;
}

}  // namespace gemma
