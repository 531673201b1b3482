// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_states.h"

#include <algorithm>
#include <limits>

namespace gemma {

int64_t RuleStates::distance_of(const Place& place) const {
  const int64_t rest = place.frame == kNoFrame ? 0 : frames_[static_cast<size_t>(place.frame)].distance;
  return table_.distance(place.state) + rest;
}

/** What is only the end of its rule is not gone back to. */
int RuleStates::push(int then, int below) {
  bool calls = false;
  table_.each_call(then, [&](const RuleTable::Call&) { calls = true; });
  if (!calls && table_.is_end(then) && !table_.leads_on(then)) return below;
  const auto [found, is_new] = frame_numbers_.emplace(std::make_pair(then, below), static_cast<int>(frames_.size()));
  if (is_new) frames_.push_back({then, below, distance_of({then, below}), depth(below) + 1});
  return found->second;
}

/** With the beginnings of what is called, and what comes behind rules that are over. */
int RuleStates::close(const std::vector<Place>& from, bool deeper) {
  std::vector<Place> open = from;
  bool left_out = false;
  Set out{{}, false};
  std::unordered_set<uint64_t> seen;
  while (!open.empty() && seen.size() < kMostPlaces) {
    const Place at = open.back();
    open.pop_back();
    if (!seen.insert((uint64_t{static_cast<uint32_t>(at.state)} << 32) | static_cast<uint32_t>(at.frame)).second) {
      continue;
    }
    if (table_.leads_on(at.state)) out.places.push_back(at);
    table_.each_call(at.state, [&](const RuleTable::Call& call) {
      const bool too_deep = call.nests && !deeper && depth(at.frame) >= kDeepest;
      left_out = left_out || too_deep;
      if (!too_deep) open.push_back({call.start, push(call.then, at.frame)});
    });
    if (!table_.is_end(at.state)) continue;
    if (at.frame == kNoFrame) {
      out.done = true;
    } else {
      const Frame& frame = frames_[static_cast<size_t>(at.frame)];
      open.push_back({frame.then, frame.below});
    }
  }
  if (out.places.empty() && !out.done) return left_out ? close(from, true) : kDead;
  std::sort(out.places.begin(), out.places.end());
  return number(std::move(out));
}

int RuleStates::number(Set set) {
  const auto [found, is_new] =
      set_numbers_.emplace(std::make_pair(set.places, set.done), static_cast<int>(sets_.size()));
  if (!is_new) return found->second;
  if (!set.done) {
    set.distance = std::numeric_limits<int64_t>::max();
    for (const Place& each : set.places) set.distance = std::min(set.distance, distance_of(each));
  }
  next_.resize(next_.size() + 256, kUnknown);
  done_.push_back(set.done ? 1 : 0);
  sets_.push_back(std::move(set));
  return found->second;
}

int RuleStates::find_step(int set, uint8_t byte) {
  std::vector<Place> open;
  for (const Place& each : places(set)) {
    const int next = table_.next(each.state, byte);
    if (next != Automaton::kDead) open.push_back({next, each.frame});
  }
  const int found = open.empty() ? kDead : close(open);
  return next_[static_cast<size_t>(set) * 256 + byte] = found;
}

}  // namespace gemma
