// SPDX-License-Identifier: Apache-2.0
// A table that tells of any bytes whether they are a text of a pattern, or the beginning of one: states and what leads
// from one to the next. From every state an end is reached.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "grammar/regex.h"

namespace gemma {

class Automaton {
 public:
  static constexpr int kDead = -1;
  static constexpr int kMostStates = 20'000;

  /** The failure says that nothing is a text of the pattern, or that the table would be too large. The whole text is
   *  the pattern's, whether it has anchors or not. */
  static Result<Automaton> of(const Pattern& pattern);

  int start() const { return start_; }
  int next(int state, uint8_t byte) const { return table_[static_cast<size_t>(state) * columns_ + column_[byte]]; }
  /** The row of a state, in which each byte has a column, for loops that look at many. */
  const int32_t* row(int state) const { return table_.data() + static_cast<size_t>(state) * columns_; }
  const uint8_t* columns() const { return column_.data(); }
  bool is_end(int state) const { return ends_[static_cast<size_t>(state)]; }
  /** The fewest bytes from here to an end. */
  int distance(int state) const { return distances_[static_cast<size_t>(state)]; }
  bool leads_on(int state) const;
  /** For each state the first that takes the same bytes as it does, up to so many. */
  std::vector<int> alike(int bytes) const;
  int states() const { return static_cast<int>(ends_.size()); }
  size_t bytes() const { return table_.size() * sizeof(int32_t); }

  /** What stands for a control piece among the bytes; no text has such. */
  static constexpr uint8_t kTokenByte = 0xFF;
  static std::array<uint8_t, 4> bytes_of_token(int32_t id) {
    return {kTokenByte, static_cast<uint8_t>(id >> 16), static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id)};
  }

 private:
  friend class AutomatonBuilder;

  int start_ = 0;
  size_t columns_ = 0;
  std::array<uint8_t, 256> column_{};  // of the table; bytes that no state tells apart share one
  std::vector<int32_t> table_;
  std::vector<bool> ends_;
  std::vector<int> distances_;
};

}  // namespace gemma
