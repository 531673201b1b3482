// SPDX-License-Identifier: Apache-2.0
#include "exchange/subtitles.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "exchange/seam.h"

namespace gemma {
namespace {

constexpr int kLine = 42, kLines = 2;
constexpr int kShortSentence = 20;  // columns: shorter ones go with the next

bool ends_sentence(std::string_view word) {
  for (const std::string_view mark : {".", "!", "?", "…", "。", "！", "？"}) {
    if (word.ends_with(mark)) return true;
  }
  return false;
}

class CueMaker {
 public:
  CueMaker(std::string_view text, double begin, double end)
      : text_(text), words_(words_of(text)), begin_(begin), end_(std::max(begin, end)) {}

  std::vector<Cue> make() {
    for (const Word& word : words_) total_ += word.width;
    for (size_t first = 0, last; first < words_.size(); first = last) {
      int width = 0;
      for (last = first; last < words_.size(); ++last) {
        const int with = width + gap_before(last, first) + words_[last].width;
        if (last > first && with > kLine * kLines) break;
        width = with;
        if (width >= kShortSentence && ends_sentence(word(last))) {
          ++last;
          break;
        }
      }
      add(first, last, width);
    }
    return std::move(cues_);
  }

 private:
  std::string_view word(size_t i) const { return text_.substr(words_[i].begin, words_[i].end - words_[i].begin); }
  /** Columns between a word and the one before it. */
  int gap_before(size_t i, size_t first) const { return i > first && words_[i].begin > words_[i - 1].end ? 1 : 0; }

  std::string line(size_t first, size_t last) const {
    std::string out;
    for (size_t i = first; i < last; ++i) {
      if (gap_before(i, first) > 0) out += ' ';
      out += word(i);
    }
    return out;
  }

  /** The word at which the second line begins: both as equally long as may be. */
  size_t middle(size_t first, size_t last, int width) const {
    size_t best = last;
    int at = 0, nearest = width;
    for (size_t i = first; i < last; ++i) {
      if (i > first && std::abs(2 * at - width) < nearest) best = i, nearest = std::abs(2 * at - width);
      at += gap_before(i, first) + words_[i].width;
    }
    return best;
  }

  void add(size_t first, size_t last, int width) {
    const size_t second = width > kLine ? middle(first, last, width) : last;
    std::string text = line(first, second);
    if (second < last) text += "\n" + line(second, last);
    const double from = time_of(done_);
    for (size_t i = first; i < last; ++i) done_ += words_[i].width;
    cues_.push_back({from, time_of(done_), std::move(text)});
  }

  double time_of(int64_t columns) const {
    return begin_ + (end_ - begin_) * static_cast<double>(columns) / static_cast<double>(std::max<int64_t>(total_, 1));
  }

  std::string_view text_;
  std::vector<Word> words_;
  double begin_, end_;
  int64_t total_ = 0, done_ = 0;
  std::vector<Cue> cues_;
};

std::string clock(double seconds, char point) {
  const auto ms = static_cast<int64_t>(std::max(seconds, 0.0) * 1000 + 0.5);
  return fmt::format("{:02}:{:02}:{:02}{}{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, point, ms % 1000);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

}  // namespace

std::vector<Cue> cues_of(std::string_view text, double begin, double end) { return CueMaker(text, begin, end).make(); }

std::string as_srt(const std::vector<Cue>& cues) {
  std::string out;
  for (size_t i = 0; i < cues.size(); ++i) {
    out +=
        fmt::format("{}\n{} --> {}\n{}\n\n", i + 1, clock(cues[i].begin, ','), clock(cues[i].end, ','), cues[i].text);
  }
  return out;
}

std::string as_vtt(const std::vector<Cue>& cues) {
  std::string out = "WEBVTT\n\n";
  for (const Cue& cue : cues) {
    out += fmt::format("{} --> {}\n{}\n\n", clock(cue.begin, '.'), clock(cue.end, '.'), escaped(cue.text));
  }
  return out;
}

}  // namespace gemma
