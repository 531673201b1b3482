// SPDX-License-Identifier: Apache-2.0
#include "exchange/seam.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/utf8.h"
#include "chat/letter_case.h"

namespace gemma {
namespace {

constexpr size_t kMostRepeated = 40;  // words: more than a second holds, or than a model is told of what came before
constexpr size_t kCertain = 4;        // words that nobody says twice by chance
constexpr size_t kLongWord = 4;       // letters: one such word is enough where one at the edge was cut

bool is_blank(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || c == 0x3000; }

bool is_punctuation(char32_t c) {
  const bool ascii = c < 0x80 && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
  return ascii || c == 0xA1 || c == 0xAB || c == 0xB7 || c == 0xBB || c == 0xBF || (c >= 0x2010 && c <= 0x205E) ||
         (c >= 0x3001 && c <= 0x3003) || (c >= 0x3008 && c <= 0x301F) || (c >= 0xFF01 && c <= 0xFF0F) ||
         (c >= 0xFF1A && c <= 0xFF20) || (c >= 0xFF3B && c <= 0xFF40) || (c >= 0xFF5B && c <= 0xFF65);
}

/** Of scripts without blanks between words. Hangul has them. */
bool stands_alone(char32_t c) {
  return (c >= 0x0E00 && c < 0x1100) || (c >= 0x1780 && c < 0x1800) || (c >= 0x2E80 && c < 0xAC00) ||
         (c >= 0xF900 && c < 0xFB00) || (c >= 0x20000 && c < 0x40000);
}

int width_of(char32_t c) { return (c >= 0x1100 && c < 0x1200) || (c >= 0x2E80 && c < 0xFE00) || c >= 0xFF01 ? 2 : 1; }

/** How many words at the end of the first, and at the beginning of the second, are left out beside those in common. */
struct Match {
  size_t common = 0, cut_first = 0, cut_second = 0;
};

bool ends_with_beginning(std::span<const Word> first, std::span<const Word> second, size_t common) {
  return std::equal(first.end() - static_cast<std::ptrdiff_t>(common), first.end(), second.begin(),
                    [](const Word& a, const Word& b) { return a.key == b.key; });
}

/** The longest run with which the first ends and the second begins. */
Match longest_match(std::span<const Word> first, std::span<const Word> second, bool overlaps) {
  Match best;
  const size_t edges = overlaps ? 1 : 0;  // words that may be cut
  for (size_t cut_first = 0; cut_first <= std::min(edges, first.size()); ++cut_first) {
    for (size_t cut_second = 0; cut_second <= std::min(edges, second.size()); ++cut_second) {
      const auto a = first.first(first.size() - cut_first);
      const auto b = second.subspan(cut_second);
      for (size_t common = std::min({a.size(), b.size(), kMostRepeated}); common > best.common; --common) {
        if (!ends_with_beginning(a, b, common)) continue;
        const bool cut = cut_first + cut_second > 0;
        if (cut && common == 1 && b.front().key.size() < kLongWord) break;
        if (!overlaps && common < kCertain) break;
        best = {common, cut_first, cut_second};
        break;
      }
    }
  }
  return best;
}

}  // namespace

std::vector<Word> words_of(std::string_view text) {
  enum class Open : uint8_t { no, word, character };  // what a further letter or mark may belong to
  std::vector<Word> words;
  Open open = Open::no;
  for (size_t at = 0, next; at < text.size(); at = next) {
    const int length = utf8::length(text.substr(at));
    const char32_t c = length > 0 ? utf8::decode(text.substr(at)) : 0xFFFD;
    next = at + static_cast<size_t>(std::max(1, length));
    if (is_blank(c)) {
      open = Open::no;
      continue;
    }
    const bool mark = is_punctuation(c), alone = !mark && stands_alone(c);
    const bool continues = open == Open::word ? !alone : open == Open::character && mark;
    if (!continues) {
      words.push_back({at, at, "", 0});
      open = alone ? Open::character : Open::word;
    }
    words.back().end = next;
    words.back().width += width_of(c);
    if (!mark) words.back().key += text.substr(at, next - at);
  }
  std::vector<Word> kept;
  for (Word& word : words) {
    word.key = lower_case(word.key);
    if (word.key.empty() && !kept.empty()) {
      kept.back().width += word.width + static_cast<int>(word.begin - kept.back().end);
      kept.back().end = word.end;
    } else {
      kept.push_back(std::move(word));
    }
  }
  return kept;
}

Seam seam_of(std::string_view first, std::string_view second, bool overlaps) {
  const std::vector<Word> a = words_of(first), b = words_of(second);
  const Seam plain{first.size(), 0};
  if (a.empty() || b.empty()) return plain;
  const Match match = longest_match(a, b, overlaps);
  if (match.common > 0) {
    const size_t skipped = match.cut_second + match.common;
    const size_t kept = a.size() - match.cut_first;
    return {kept > 0 ? a[kept - 1].end : 0, skipped < b.size() ? b[skipped].begin : second.size()};
  }
  if (!overlaps) return plain;
  // One word in two halves: the longer form counts.
  const std::string &last = a.back().key, &next = b.front().key;
  if (last.size() >= 3 && next.size() > last.size() && next.starts_with(last)) return {a.back().begin, 0};
  if (next.size() >= 3 && last.size() > next.size() && last.ends_with(next)) {
    return {first.size(), b.size() > 1 ? b[1].begin : second.size()};
  }
  return plain;
}

std::string joined(std::string_view first, std::string_view second, const Seam& seam) {
  std::string text(first.substr(0, seam.keep));
  const std::string_view more = second.substr(seam.skip);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  const std::vector<Word> after = words_of(more);
  if (after.empty()) return text;
  const char32_t begins = utf8::length(more.substr(after[0].begin)) > 0 ? utf8::decode(more.substr(after[0].begin)) : 0;
  if (!text.empty() && !stands_alone(begins)) text += ' ';
  return text + std::string(more.substr(after[0].begin));
}

std::string_view tail_of(std::string_view text, size_t words) {
  const std::vector<Word> all = words_of(text);
  return all.size() <= words ? text : text.substr(all[all.size() - words].begin);
}

}  // namespace gemma
