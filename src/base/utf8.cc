// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

namespace gemma::utf8 {
namespace {

/** What the first byte promises, and the range of the second byte that keeps the form shortest, below U+110000 and
 *  outside the surrogates (Unicode standard, table 3-7). length 0: no character starts so. */
struct Lead {
  int length;
  uint8_t low, high;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

/** Bytes of `text` that agree with `lead`, at most lead.length. */
int agreeing(std::string_view text, Lead lead) {
  int n = 1;
  while (n < lead.length && n < static_cast<int>(text.size())) {
    const auto byte = static_cast<uint8_t>(text[static_cast<size_t>(n)]);
    const bool good = n == 1 ? byte >= lead.low && byte <= lead.high : (byte & 0xc0) == 0x80;
    if (!good) break;
    ++n;
  }
  return n;
}

}  // namespace

int length(std::string_view text) {
  if (text.empty()) return 0;
  const Lead lead = lead_of(static_cast<uint8_t>(text[0]));
  return lead.length > 0 && agreeing(text, lead) == lead.length ? lead.length : 0;
}

char32_t decode(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const int n = lead_of(first).length;
  if (n == 1) return first;
  char32_t point = first & (0x7f >> n);
  for (int i = 1; i < n; ++i) point = (point << 6) | (static_cast<uint8_t>(text[static_cast<size_t>(i)]) & 0x3f);
  return point;
}

void append(std::string& out, char32_t point) {
  const auto byte = [&](char32_t b) { out += static_cast<char>(b); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xc0 | (point >> 6));
  } else if (point < 0x10000) {
    byte(0xe0 | (point >> 12));
    byte(0x80 | ((point >> 6) & 0x3f));
  } else {
    byte(0xf0 | (point >> 18));
    byte(0x80 | ((point >> 12) & 0x3f));
    byte(0x80 | ((point >> 6) & 0x3f));
  }
  byte(0x80 | (point & 0x3f));
}

size_t first_invalid(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<uint8_t>(text[at]) <
        0x80) {  // most of it, and half a million pieces are looked at before an answer
      ++at;
      continue;
    }
    const int n = length(text.substr(at));
    if (n == 0) return at;
    at += static_cast<size_t>(n);
  }
  return at;
}

bool valid(std::string_view text) { return first_invalid(text) == text.size(); }

bool incomplete(std::string_view text) {
  if (text.empty()) return true;
  const Lead lead = lead_of(static_cast<uint8_t>(text[0]));
  const int size = static_cast<int>(text.size());
  return size < lead.length && agreeing(text, lead) == size;
}

std::string replace_invalid(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t good = first_invalid(text);
    out += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    append(out, 0xfffd);
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace gemma::utf8
