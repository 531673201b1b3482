// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_text.h"

#include <algorithm>
#include <utility>

namespace gemma {
namespace {

/** Length of the longest end of `text` with which `stop` begins, the whole of it aside. */
size_t overlap(std::string_view text, std::string_view stop) {
  size_t n = std::min(text.size(), stop.size() - 1);
  while (n > 0 && text.substr(text.size() - n) != stop.substr(0, n)) --n;
  return n;
}

}  // namespace

AnswerText::AnswerText(const Tokenizer* tokenizer, std::vector<std::string> stop)
    : tokenizer_(tokenizer), stop_(std::move(stop)) {
  if (tokenizer != nullptr) stream_.emplace(*tokenizer);
}

std::string AnswerText::push(int32_t token) {
  if (!stream_ || stopped()) return {};
  if (tokenizer_->kind(token) != PieceKind::control) return release(stream_->push(token));
  std::string text = finish();
  stream_->push(token);
  return text;
}

std::string AnswerText::release(std::string_view text) {
  held_ += text;
  size_t first = std::string::npos, keep = 0;
  for (const std::string& stop : stop_) {
    if (const size_t at = held_.find(stop); at < first) {
      first = at;
      stopped_by_ = stop;
    }
    keep = std::max(keep, overlap(held_, stop));
  }
  const size_t certain = stopped() ? first : held_.size() - keep;
  std::string out = held_.substr(0, certain);
  held_.erase(0, stopped() ? std::string::npos : certain);
  return out;
}

std::string AnswerText::finish() {
  if (!stream_ || stopped()) return {};
  std::string out = release(stream_->finish());
  if (!stopped()) out += std::exchange(held_, {});
  return out;
}

}  // namespace gemma
