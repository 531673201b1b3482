// SPDX-License-Identifier: Apache-2.0
// Text to ids: whole pieces are cut out, blanks become marks, and each stretch between is joined up from its
// characters. A stretch is one single word to the model's rules, a book as much as a line; cutting it where no piece
// can reach across (Neighbours) gives the same ids, makes the parts short, and lets parts met before be looked up.
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
    out_.reserve(bytes / 2 + 8);
  }

  std::vector<int32_t> run(std::string_view text, Specials specials) {
    // Mostly a stretch is read where it stands. Where it must be changed as a whole it is copied to letters_, which
    // must not move: memory_ points there.
    const bool in_place = !tables_.blank_first && tables_.whole_normalised.empty();
    if (!in_place) letters_.reserve((text.size() + 1) * 2 * kBlank.size());
    for (size_t at = 0; at < text.size();) {
      const WholePieces::Match match = tables_.whole.next(text, at, specials);
      const std::string_view stretch = text.substr(at, match.begin - at);
      if (!stretch.empty()) in_place ? split(stretch) : rewrite(stretch, specials);
      if (match.id >= 0) out_.push_back(match.id);
      at = match.id >= 0 ? match.end : text.size();
    }
    return std::move(out_);
  }

 private:
  static constexpr size_t kFewest = 16, kMost = 16384, kLongestRemembered = 64;
  static constexpr size_t kWindow = 64, kAgain = 1;
  static constexpr char32_t kBlankPoint = 0x2581;

  /** A part met before, and where its ids stand. */
  struct Memory {
    std::string_view text;
    uint32_t first = 0, count = 0;
  };

  void rewrite(std::string_view stretch, Specials specials) {
    const size_t begin = letters_.size();
    if (tables_.blank_first) letters_ += tables_.mark_blanks ? kBlank : " ";
    append_marked(letters_, stretch);
    const std::string_view text = std::string_view(letters_).substr(begin);
    for (size_t at = 0; at < text.size();) {
      const WholePieces::Match match = tables_.whole_normalised.next(text, at, specials);
      split(text.substr(at, match.begin - at));
      if (match.id >= 0) out_.push_back(match.id);
      at = match.id >= 0 ? match.end : text.size();
    }
  }

  void append_marked(std::string& out, std::string_view text) const {
    if (!tables_.mark_blanks) {
      out += text;
      return;
    }
    for (size_t at = 0; at <= text.size();) {
      const size_t blank = std::min(text.find(' ', at), text.size());
      out.append(text, at, blank - at);
      if (blank < text.size()) out += kBlank;
      at = blank + 1;
    }
  }

  bool may_join(char32_t left, char32_t right) const {
    if (tables_.newline_runs && (left == '\n') != (right == '\n')) return false;
    return tables_.neighbours.may_join(left, right);
  }

  /** Cuts a stretch into parts that no piece reaches across. */
  void split(std::string_view stretch) {
    char32_t left = 0;
    size_t start = 0, characters = 0;
    for (size_t at = 0; at < stretch.size();) {
      const auto byte = static_cast<uint8_t>(stretch[at]);
      const size_t length = length_at(stretch, at);
      if (length == 0) {  // no character: neither side reaches across
        part(stretch.substr(start, at - start), characters, left);
        out_.push_back(tables_.vocabulary.byte(byte));
        start = ++at;
        characters = 0;
        continue;
      }
      char32_t right = byte < 0x80 ? byte : utf8::decode(stretch.substr(at));
      if (byte == ' ' && tables_.mark_blanks) right = kBlankPoint;
      if (characters > 0 && !may_join(left, right)) {
        part(stretch.substr(start, at - start), characters, left);
        start = at;
        characters = 0;
      }
      ++characters;
      left = right;
      at += length;
    }
    part(stretch.substr(start), characters, left);
  }

  /** `last`: its last character. */
  void part(std::string_view text, size_t characters, char32_t last) {
    if (characters == 0) return;
    if (characters == 1) {
      const int32_t id = tables_.vocabulary.character(last);
      if (id >= 0) return out_.push_back(id);
    }
    if (tables_.newline_runs && last == '\n') {
      if (const int32_t id = tables_.vocabulary.find(text); id >= 0) return out_.push_back(id);
    }
    if (text.size() > kLongestRemembered) return join(text);
    Memory& memory = memory_[hash_of(text) & (memory_.size() - 1)];
    if (memory.text == text) {
      for (uint32_t i = 0; i < memory.count; ++i) out_.push_back(out_[memory.first + i]);
      return;
    }
    const size_t first = out_.size();
    join(text);
    memory = {text, static_cast<uint32_t>(first), static_cast<uint32_t>(out_.size() - first)};
  }

  /** Joins a part from left to right, a window at a time, so that time and memory stay in proportion however long it
   * is. This is exact. Joining never undoes a border, so where the whole has one both sides are as if alone. And
   * symbols side by side are the result of the whole if each two neighbours are the result of their own letters: the
   * first join across a border would be the best choice among those two's letters as well. So the symbols `done_` for
   * what lies before hold, but for the last few, which are joined anew with the letters that follow; more of them when
   * the border before them does not hold. */
  void join(std::string_view part) {
    const bool marked = tables_.mark_blanks && part.find(' ') != std::string_view::npos;
    if (marked) marked_.clear(), append_marked(marked_, part);
    const std::string_view text = marked ? std::string_view(marked_) : part;
    done_.clear();
    for (size_t next = 0; next < text.size();) {
      size_t end = next;
      for (size_t n = 0; n < kWindow && end < text.size(); ++n) end += length_at(text, end);
      for (size_t again = kAgain;; again *= 2) {
        again = std::min(again, done_.size());
        const size_t kept = done_.size() - again;
        join_letters(text, again > 0 ? done_[kept].begin : next, end, window_);
        if (kept == 0 || holds(text, done_[kept - 1], window_.front())) {
          done_.resize(kept);
          break;
        }
      }
      done_.insert(done_.end(), window_.begin(), window_.end());
      next = end;
    }
    for (const Symbol& symbol : done_) emit(text, symbol);
  }

  /** Whether the letters of two neighbours, joined alone, give these two. */
  bool holds(std::string_view text, const Symbol& left, const Symbol& right) {
    join_letters(text, left.begin, right.end, pair_);
    return pair_.size() == 2 && pair_[0].end == left.end;
  }

  static size_t length_at(std::string_view text, size_t at) {
    return static_cast<uint8_t>(text[at]) < 0x80 ? 1 : static_cast<size_t>(utf8::length(text.substr(at)));
  }

  void join_letters(std::string_view text, size_t begin, size_t end, std::vector<Symbol>& symbols) {
    symbols.clear();
    for (size_t at = begin; at < end;) {
      const size_t length = length_at(text, at);
      const int32_t id = tables_.vocabulary.character(utf8::decode(text.substr(at)));
      symbols.push_back({id, static_cast<uint32_t>(at), static_cast<uint32_t>(at + length)});
      at += length;
    }
    merge(joins_, text, symbols);
  }

  void emit(std::string_view text, const Symbol& symbol) {
    if (symbol.id >= 0) return out_.push_back(symbol.id);
    for (uint32_t at = symbol.begin; at < symbol.end; ++at) {
      out_.push_back(tables_.vocabulary.byte(static_cast<uint8_t>(text[at])));
    }
  }

  const TokenizerTables& tables_;
  const Joins& joins_;
  std::string letters_;  // of stretches that are not read in place
  std::string marked_;   // a part with its blanks as marks
  std::vector<int32_t> out_;
  std::vector<Symbol> done_, window_, pair_;
  std::vector<Memory> memory_;  // by hash; the newer part takes the place
};

}  // namespace

std::vector<int32_t> encode_text(const TokenizerTables& tables, std::string_view text, Specials specials) {
  return std::visit([&](const auto& joins) { return Encoding(tables, joins, text.size()).run(text, specials); },
                    *tables.joins);
}

}  // namespace gemma
