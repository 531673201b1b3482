// SPDX-License-Identifier: Apache-2.0
// What two neighbouring symbols of a text may become: a table of merges by rank (tokenizer.json, GGUF "gemma4"), or any
// two whose letters together are a piece, by its score (GGUF "llama").
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/vocabulary.h"

namespace gemma {

/** A stretch of text that is, or (id -1) is not, a piece. */
struct Symbol {
  int32_t id = -1;
  uint32_t begin = 0, end = 0;
};

inline constexpr uint32_t kNever = 0xffffffff;

/** Of all that can be joined the one of the smallest priority is, the leftmost first. */
struct Join {
  uint32_t priority = kNever;
  int32_t id = -1;
};

/** Merges as a file lists them, left and right letters side by side in one arena. */
struct MergeList {
  struct Entry {
    uint32_t offset = 0, left = 0, right = 0;  // lengths
  };
  std::string letters;
  std::vector<Entry> entries;
  void add(std::string_view left, std::string_view right);
};

/** Joins by rank. */
class MergeTable {
 public:
  /** Fails when a merge names no piece, gives none, or is there twice. Merges that would spell a control piece are left
   *  out: letters never become one. */
  MergeTable(std::string_view where, const MergeList& merges, const Vocabulary& vocabulary);

  Join join(std::string_view, const Symbol& left, const Symbol& right) const {
    if (left.id < 0 || right.id < 0) return {};
    const uint64_t key = key_of(left.id, right.id);
    for (uint64_t at = place_of(key); slots_[at].key != kFree; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return {slots_[at].rank, slots_[at].id};
    }
    return {};
  }
  /** Whether some join gives this piece. */
  bool gives(int32_t id) const { return given_[static_cast<size_t>(id)]; }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t key = kFree;
    uint32_t rank = 0;
    int32_t id = -1;
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  }
  uint64_t place_of(uint64_t key) const {
    const uint64_t mixed = key * 0x9e3779b97f4a7c15ULL;
    return (mixed ^ mixed >> 32) & mask_;
  }
  struct Parts {  // left, right, and both together
    std::array<std::string_view, 3> texts;
    std::array<uint64_t, 3> hashes;
    std::array<int32_t, 3> ids;
  };
  static Parts parts_of(const MergeList& merges, size_t rank, const Vocabulary& vocabulary);
  void find_parts(std::string_view where, size_t rank, const Vocabulary& vocabulary, Parts& parts) const;
  void insert(std::string_view where, size_t rank, const Vocabulary& vocabulary, const Parts& parts);

  std::vector<Slot> slots_;
  std::vector<bool> given_;
  uint64_t mask_ = 0;
};

/** Joins by score. */
class ScoreTable {
 public:
  /** One finite score an id. */
  ScoreTable(std::string_view where, const std::vector<double>& scores, const Vocabulary& vocabulary);

  Join join(std::string_view text, const Symbol& left, const Symbol& right) const {
    const int32_t id = vocabulary_->find(text.substr(left.begin, right.end - left.begin));
    return id < 0 ? Join{} : Join{priority_[static_cast<size_t>(id)], id};
  }
  bool gives(int32_t id) const { return priority_[static_cast<size_t>(id)] != kNever; }

 private:
  const Vocabulary* vocabulary_;
  std::vector<uint32_t> priority_;  // by id; kNever for what letters may not become
};

/** Two neighbouring characters that no piece holds side by side are never joined, so a text can be cut between them and
 *  each part be done by itself. A filter: it may say "yes" without need, never "no" in vain. */
class Neighbours {
 public:
  Neighbours() : bits_(kBits / 64) {}
  void add(std::string_view piece);
  bool may_join(char32_t left, char32_t right) const {
    const uint64_t at = place_of(left, right);
    return bits_[at / 64] >> (at % 64) & 1;
  }

 private:
  static constexpr uint64_t kBits = uint64_t{1} << 20;  // Gemma's pieces have 34 thousand pairs
  static uint64_t place_of(char32_t left, char32_t right) {
    return (((static_cast<uint64_t>(left) << 21) | right) * 0x9e3779b97f4a7c15ULL) >> 44;
  }
  std::vector<uint64_t> bits_;
};

}  // namespace gemma
