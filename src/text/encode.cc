// SPDX-License-Identifier: Apache-2.0
// Text to ids: whole pieces are cut out, blanks become marks, and each stretch between is joined up from its characters.
// A stretch is one single word to the model's rules, a book as much as a line; cutting it where no piece can reach across
// (Neighbours) gives the same ids, makes the parts short, and lets parts met before be looked up.
#include <bit>

#include "base/utf8.h"
#include "text/merge.h"
#include "text/tables.h"

namespace gemma {
namespace {

template <class Joins>
class Encoding {
 public:
  Encoding(const TokenizerTables& tables, const Joins& joins, size_t bytes)
      : tables_(tables), joins_(joins), memory_(std::bit_ceil(std::clamp(bytes / 8, kFewest, kMost))) {
    out_.reserve(bytes / 4 + 8);
    letters_.reserve(bytes + bytes / 2);
  }

  std::vector<int32_t> run(std::string_view text, Specials specials) {
    for (size_t at = 0; at < text.size();) {
      const WholePieces::Match match = tables_.whole.next(text, at, specials);
      if (match.begin > at) normalise(text.substr(at, match.begin - at), specials);
      if (match.id >= 0) out_.push_back(match.id);
      at = match.id >= 0 ? match.end : text.size();
    }
    return std::move(out_);
  }

 private:
  static constexpr size_t kFewest = 16, kMost = 16384, kLongestRemembered = 64;

  /** A part met before: where its letters and its ids stand. */
  struct Memory {
    uint32_t begin = 0, length = 0;
    uint32_t ids = 0, count = 0;
  };

  void normalise(std::string_view text, Specials specials) {
    const size_t begin = letters_.size();
    if (tables_.blank_first) letters_ += kBlank;
    if (tables_.mark_blanks) {
      for (size_t at = 0; at <= text.size();) {
        const size_t blank = std::min(text.find(' ', at), text.size());
        letters_.append(text, at, blank - at);
        if (blank < text.size()) letters_ += kBlank;
        at = blank + 1;
      }
    } else {
      letters_ += text;
    }
    const size_t end = letters_.size();
    for (size_t at = begin; at < end;) {
      const WholePieces::Match match = tables_.whole_normalised.empty()
                                           ? WholePieces::Match{end, end, -1}
                                           : tables_.whole_normalised.next(letters_, at, specials);
      split(at, match.begin);
      if (match.id >= 0) out_.push_back(match.id);
      at = match.id >= 0 ? match.end : end;
    }
  }

  bool may_join(char32_t left, char32_t right) const {
    if (tables_.newline_runs && (left == '\n') != (right == '\n')) return false;
    return tables_.neighbours.may_join(left, right);
  }

  /** letters_[begin, end): parts that no piece reaches across. */
  void split(size_t begin, size_t end) {
    char32_t left = 0;
    size_t start = begin;
    for (size_t at = begin; at < end;) {
      const std::string_view rest = std::string_view(letters_).substr(at, end - at);
      const auto byte = static_cast<uint8_t>(rest[0]);
      const int length = byte < 0x80 ? 1 : utf8::length(rest);
      if (length == 0) {  // no character: neither side reaches across
        part(start, at);
        out_.push_back(tables_.vocabulary.byte(byte));
        start = ++at;
        continue;
      }
      const char32_t right = byte < 0x80 ? byte : utf8::decode(rest);
      if (at > start && !may_join(left, right)) {
        part(start, at);
        start = at;
      }
      left = right;
      at += static_cast<size_t>(length);
    }
    part(start, end);
  }

  void part(size_t begin, size_t end) {
    if (begin == end) return;
    const std::string_view text = std::string_view(letters_).substr(begin, end - begin);
    if (tables_.newline_runs && text[0] == '\n') {
      if (const int32_t id = tables_.vocabulary.find(text); id >= 0) return out_.push_back(id);
    }
    if (text.size() > kLongestRemembered) return join(text);
    Memory& memory = memory_[hash_of(text) & (memory_.size() - 1)];
    if (std::string_view(letters_).substr(memory.begin, memory.length) == text) {
      for (uint32_t i = 0; i < memory.count; ++i) out_.push_back(out_[memory.ids + i]);
      return;
    }
    const size_t first = out_.size();
    join(text);
    memory = {static_cast<uint32_t>(begin), static_cast<uint32_t>(text.size()), static_cast<uint32_t>(first),
              static_cast<uint32_t>(out_.size() - first)};
  }

  void join(std::string_view text) {
    symbols_.clear();
    for (size_t at = 0; at < text.size();) {
      const std::string_view rest = text.substr(at);
      const size_t length = static_cast<uint8_t>(rest[0]) < 0x80 ? 1 : static_cast<size_t>(utf8::length(rest));
      const int32_t id = tables_.vocabulary.character(utf8::decode(rest));
      symbols_.push_back({id, static_cast<uint32_t>(at), static_cast<uint32_t>(at + length)});
      at += length;
    }
    merge(joins_, text, symbols_);
    for (const Symbol& symbol : symbols_) {
      if (symbol.id >= 0) {
        out_.push_back(symbol.id);
      } else {
        for (uint32_t at = symbol.begin; at < symbol.end; ++at) {
          out_.push_back(tables_.vocabulary.byte(static_cast<uint8_t>(text[at])));
        }
      }
    }
  }

  const TokenizerTables& tables_;
  const Joins& joins_;
  std::string letters_;  // of all stretches so far
  std::vector<int32_t> out_;
  std::vector<Symbol> symbols_;
  std::vector<Memory> memory_;  // by hash; the newer part takes the place
};

}  // namespace

std::vector<int32_t> encode_text(const TokenizerTables& tables, std::string_view text, Specials specials) {
  return std::visit(
      [&](const auto& joins) { return Encoding(tables, joins, text.size()).run(text, specials); }, *tables.joins);
}

}  // namespace gemma
