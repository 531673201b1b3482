// SPDX-License-Identifier: Apache-2.0
#include "chat/channel.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "chat/template_value.h"

namespace gemma {

size_t incomplete_tail(std::string_view text) {
  for (size_t n = std::min<size_t>(text.size(), 3); n > 0; --n) {
    if (utf8::incomplete(text.substr(text.size() - n))) return n;
  }
  return 0;
}

std::string TextChannel::push(std::string_view bytes) {
  held_ += bytes;
  std::string_view ready = held_;
  ready.remove_suffix(incomplete_tail(ready));
  size_t begin = 0;
  if (!started_) {
    while (const size_t white = white_space(ready.substr(begin))) begin += white;
  }
  ready = ready.substr(begin);
  const std::string_view kept = trim(ready);
  if (kept.empty()) {
    held_.erase(0, begin);
    return {};
  }
  started_ = true;
  const auto end = static_cast<size_t>(kept.data() + kept.size() - ready.data());
  std::string out(ready.substr(0, end));
  held_.erase(0, begin + end);
  return out;
}

std::string TextChannel::settle() {
  if (incomplete_tail(held_) == 0) return {};
  started_ = true;
  return std::exchange(held_, {});
}

std::string TextChannel::finish() {
  std::string rest = settle();
  held_.clear();
  return rest;
}

}  // namespace gemma
