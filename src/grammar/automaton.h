// SPDX-License-Identifier: Apache-2.0
// A table that tells of any bytes whether they are a text of a pattern, or the beginning of one: states and what leads
// from one to the next. From every state an end is reached. Of rules there is one table, in which a state may also call
// a rule and go on behind it (rule_table.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "grammar/regex.h"

namespace gemma {

struct Counted;
struct RuleSet;

class Automaton {
 public:
  static constexpr int kDead = -1;
  static constexpr int kMostStates = 20'000, kMostStatesOfRules = 100'000;
  static constexpr int64_t kMostSteps = 100'000'000;  // a second or two

  /** A rule's text may come, and then what comes at a state. */
  struct Call {
    int rule;
    int then;
  };

  /** The failure says that nothing is a text of the pattern, or that the table would be too large. The whole text is
   *  the pattern's, whether it has anchors or not. */
  static Result<Automaton> of(const Pattern& pattern);
  /** Of all rules. Repetitions that would take many states are put in `counted` and called by the numbers behind those
   *  of the rules. */
  static Result<Automaton> of(const RuleSet& rules, std::vector<Counted>& counted);

  int start(size_t rule = 0) const { return starts_[rule]; }
  size_t rules() const { return starts_.size(); }
  std::span<const Call> calls(int state) const;
  int next(int state, uint8_t byte) const { return table_[static_cast<size_t>(state) * columns_ + column_[byte]]; }
  /** The row of a state, in which each byte has a column, for loops that look at many. */
  const int32_t* row(int state) const { return table_.data() + static_cast<size_t>(state) * columns_; }
  const uint8_t* columns() const { return column_.data(); }
  bool is_end(int state) const { return ends_[static_cast<size_t>(state)]; }
  /** The fewest bytes from here to an end; below 0 where there is none. */
  int64_t distance(int state) const { return distances_[static_cast<size_t>(state)]; }
  bool leads_on(int state) const;  // by a byte
  /** Whether no text is the beginning of another. */
  bool is_prefix_free() const;
  int states() const { return static_cast<int>(ends_.size()); }
  size_t bytes() const { return table_.size() * sizeof(int32_t); }
  int64_t steps() const { return steps_; }  // that making it took
  bool operator==(const Automaton& other) const {
    return starts_ == other.starts_ && column_ == other.column_ && table_ == other.table_ && ends_ == other.ends_;
  }

  /** What stands for a control piece among the bytes; no text has such. */
  static constexpr uint8_t kTokenByte = 0xFF;
  static std::array<uint8_t, 4> bytes_of_token(int32_t id) {
    return {kTokenByte, static_cast<uint8_t>(id >> 16), static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id)};
  }

 private:
  friend class AutomatonBuilder;

  std::vector<int> starts_;  // of each rule
  size_t columns_ = 0;
  std::array<uint8_t, 256> column_{};  // of the table; bytes that no state tells apart share one
  std::vector<int32_t> table_;
  std::vector<bool> ends_;
  std::vector<int64_t> distances_;
  std::vector<Call> calls_;          // of all states
  std::vector<uint32_t> calls_end_;  // of each state
  int64_t steps_ = 0;
};

/** A pattern whose texts are no beginnings of one another, so many times. */
struct Counted {
  std::shared_ptr<const Automaton> part;
  int64_t least = 0, most = Pattern::kEndless;

  int64_t distance() const { return least * part->distance(part->start()); }
};

}  // namespace gemma
