// SPDX-License-Identifier: Apache-2.0
// The pieces of a tokenizer: id -> spelling and kind, spelling -> id. One arena of letters and one flat hash table,
// since a quarter of a million small strings must be there before the first answer.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace gemma {

inline constexpr std::string_view kBlank = "\u2581";  // how pieces spell ' '

/** A fast hash for spellings; not for secrets. */
uint64_t hash_of(std::string_view bytes);

/** A piece for a message: in quotes, on one line, cut when it is long. */
std::string shown(std::string_view piece);

class Vocabulary {
 public:
  struct Span {
    uint32_t offset = 0, length = 0;  // in the arena
  };

  /** `spans` by id, into `arena`. Kinds are normal, or byte where the spelling is <0xNN>, until set_kind(). Fails when
   * a piece is empty, not UTF-8, there twice, or when one of the 256 byte pieces is missing. */
  Vocabulary(std::string_view where, std::string arena, std::vector<Span> spans);

  int size() const { return static_cast<int>(spans_.size()); }
  std::string_view piece(int32_t id) const {
    const Span span = spans_[static_cast<size_t>(id)];
    return std::string_view(arena_).substr(span.offset, span.length);
  }
  PieceKind kind(int32_t id) const { return kinds_[static_cast<size_t>(id)]; }
  /** What the file says of a piece. Pieces named <unusedN> and <0xNN> keep their kind. */
  void set_kind(int32_t id, PieceKind kind);
  /** Control and unknown pieces: left out of the text for people, and never the result of joining letters. */
  bool hidden(int32_t id) const { return hidden_[static_cast<size_t>(id)]; }

  /** -1 when there is none. */
  int32_t find(std::string_view piece) const { return find(piece, hash_of(piece)); }
  int32_t find(std::string_view piece, uint64_t hash) const;
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }
  /** The piece of one character, -1 when there is none. */
  int32_t character(char32_t point) const {
    const int16_t page = pages_[point >> 8];
    return page < 0 ? -1 : characters_[static_cast<size_t>(page)][point & 0xff];
  }
  int32_t byte(uint8_t value) const { return bytes_[value]; }
  /** The byte that a piece of kind byte stands for. */
  uint8_t value_of(int32_t id) const;

 private:
  struct Slot {
    uint32_t tag = 0;  // upper half of the hash
    int32_t id = -1;   // -1: free
  };
  void index(std::string_view where);
  void index_character(int32_t id);

  std::string arena_;
  std::vector<Span> spans_;
  std::vector<PieceKind> kinds_;
  std::vector<bool> hidden_;
  std::vector<Slot> slots_;
  uint64_t mask_ = 0;
  std::array<int32_t, 256> bytes_;
  std::array<int16_t, 0x1100> pages_;  // by code point / 256
  std::vector<std::array<int32_t, 256>> characters_;
};

}  // namespace gemma
