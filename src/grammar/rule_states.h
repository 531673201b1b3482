// SPDX-License-Identifier: Apache-2.0
// Where an answer may be in its rules: a set of places, each a state of the table and what it goes back to when its
// rule is over. Sets get numbers, so that a set and a byte lead to another by looking it up. One thread.
#pragma once

#include <deque>
#include <map>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "grammar/rule_table.h"

namespace gemma {

class RuleStates {
 public:
  static constexpr int kDead = -1;
  static constexpr int kNoFrame = -1;
  /** What is gone back to, from which on lists and objects are opened only where nothing else may come. Parsers end at
   *  128 levels. */
  static constexpr int kDeepest = 100;
  static constexpr size_t kMostPlaces = 4'000;  // of a set; rules that call more at once get fewer answers

  struct Place {
    int state;
    int frame;
    auto operator<=>(const Place&) const = default;
  };

  /** The table outlives it. */
  explicit RuleStates(const RuleTable& table) : table_(table) {}

  /** At the beginning of the rules. */
  int begin() { return begin_at(table_.start()); }
  int begin_at(int state) { return close({{state, kNoFrame}}); }
  /** At one state, without what it calls and what comes behind it. */
  int at(int state) { return number({{{state, kNoFrame}}, false}); }
  /** kDead where the byte may not come. */
  int step(int set, uint8_t byte) {
    const int known = next_[static_cast<size_t>(set) * 256 + byte];
    return known != kUnknown ? known : find_step(set, byte);
  }
  /** Where a place's rule is over. */
  int behind(const Place& place) {
    return close({{frames_[static_cast<size_t>(place.frame)].then, frames_[static_cast<size_t>(place.frame)].below}});
  }

  std::span<const Place> places(int set) const { return sets_[static_cast<size_t>(set)].places; }
  /** Whether the answer may be over here. */
  bool done(int set) const { return done_[static_cast<size_t>(set)] != 0; }
  /** The fewest bytes to its end. */
  int64_t distance(int set) const { return sets_[static_cast<size_t>(set)].distance; }

 private:
  static constexpr int kUnknown = -2;
  struct Frame {
    int then, below;
    int64_t distance;  // from `then` to the end of all
    int depth;
  };
  struct Set {
    std::vector<Place> places;
    bool done;
    int64_t distance = 0;
  };

  int64_t distance_of(const Place& place) const;
  int depth(int frame) const { return frame == kNoFrame ? 0 : frames_[static_cast<size_t>(frame)].depth; }
  int push(int then, int below);
  int close(const std::vector<Place>& from, bool deeper = false);
  int number(Set set);
  int find_step(int set, uint8_t byte);

  const RuleTable& table_;
  std::vector<Frame> frames_;
  std::map<std::pair<int, int>, int> frame_numbers_;
  std::deque<Set> sets_;
  std::vector<uint8_t> done_;  // of each set
  std::vector<int> next_;      // of each set and byte
  std::map<std::pair<std::vector<Place>, bool>, int> set_numbers_;
};

}  // namespace gemma
