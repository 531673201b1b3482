// SPDX-License-Identifier: Apache-2.0
// Rules as a table of states (automaton.h), and behind its states those of repetitions that are counted instead of
// written out: their numbers say how many times the part has come, and how far the next one has.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/rule_text.h"

namespace gemma {

class RuleTable {
 public:
  /** The failure says that the rules have no text, or that the table would be too large. */
  static Result<RuleTable> of(const RuleSet& rules);

  int start() const { return start_; }
  int next(int state, uint8_t byte) const {
    return state < table_.states() ? table_.next(state, byte) : next_of_counted(state, byte);
  }
  bool is_end(int state) const;
  bool leads_on(int state) const;  // by a byte
  /** The fewest bytes to the end of the state's rule. */
  int64_t distance(int state) const;

  /** Where a called rule begins, and where it goes on behind it. */
  struct Call {
    int start, then;
    bool nests;  // Rule::nests
  };
  template <class Fn>
  void each_call(int state, const Fn& fn) const {
    if (state >= table_.states()) return;
    for (const Automaton::Call& call : table_.calls(state)) fn(Call{start_of(call.rule), call.then, nests(call.rule)});
  }

  /** Each repetition with each state behind it. */
  template <class Fn>
  void each_counted_call(const Fn& fn) const {
    for (const auto& [rule, then] : calls_of_counted_) fn(Call{start_of(rule), then, nests(rule)});
  }

  /** A state of a repetition: how many times the part has come, and how far the next one has. */
  struct Place {
    const Counted* of;
    int64_t times;
    int within;  // a state of the part
    int first;   // the first state of the repetition
  };
  bool is_counted(int state) const { return state >= table_.states(); }
  Place place(int state) const;  // of a counted one
  size_t bytes() const { return table_.bytes(); }

 private:
  RuleTable(Automaton table, std::vector<Counted> counted, int start)
      : table_(std::move(table)), counted_(std::move(counted)), start_(start) {}

  int start_of(int rule) const;
  bool nests(int rule) const { return static_cast<size_t>(rule) < nests_.size() && nests_[static_cast<size_t>(rule)]; }
  /** More times make no difference. */
  static int64_t most_of(const Counted& counted) { return counted.most >= 0 ? counted.most : counted.least; }
  int state_of(const Place& place) const;
  int next_of_counted(int state, uint8_t byte) const;

  Automaton table_;
  std::vector<Counted> counted_;
  std::vector<int> firsts_;  // the first state of each
  std::set<std::pair<int, int>> calls_of_counted_;
  std::vector<bool> nests_;  // of each rule
  int start_;
};

}  // namespace gemma
