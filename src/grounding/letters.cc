// SPDX-License-Identifier: Apache-2.0
#include "grounding/letters.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.h"

namespace gemma::grounding {
namespace {

/** Ranges whose characters take two columns: Hangul, kana, Han, full forms, emoji. */
constexpr std::array<std::pair<char32_t, char32_t>, 7> kWide{{{0x1100, 0x115F},
                                                              {0x2E80, 0xA4CF},
                                                              {0xAC00, 0xD7A3},
                                                              {0xF900, 0xFAFF},
                                                              {0xFE30, 0xFE6F},
                                                              {0xFF00, 0xFF60},
                                                              {0x1F300, 0x3FFFD}}};

size_t columns_of(char32_t point) {
  const bool wide = std::any_of(kWide.begin(), kWide.end(),
                                [point](const auto& range) { return point >= range.first && point <= range.second; });
  return wide ? 2 : 1;
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string out = utf8::replace_invalid(text);
  std::replace_if(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; }, ' ');
  return out;
}

size_t columns(std::string_view text) {
  size_t sum = 0;
  for (size_t at = 0; at < text.size();) {
    const int length = utf8::length(text.substr(at));
    sum += length > 0 ? columns_of(utf8::decode(text.substr(at))) : 1;
    at += static_cast<size_t>(std::max(length, 1));
  }
  return sum;
}

std::string shortened(std::string_view text, size_t most) {
  const std::string line = one_line(text);
  if (columns(line) <= most) return line;
  std::string out;
  for (size_t at = 0, used = 0; at < line.size();) {
    const std::string_view rest = std::string_view(line).substr(at);
    const auto length = static_cast<size_t>(std::max(utf8::length(rest), 1));
    used += columns_of(utf8::decode(rest));
    if (used + 1 > most) break;
    out += rest.substr(0, length);
    at += length;
  }
  return out + "…";
}

}  // namespace gemma::grounding
