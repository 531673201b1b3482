// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_table.h"

#include <algorithm>

namespace gemma {

Result<RuleTable> RuleTable::of(const RuleSet& rules) {
  std::vector<Counted> counted;
  Result<Automaton> table = Automaton::of(rules, counted);
  if (!table) return table.failure();
  const int start = table.value().start(rules.root);
  RuleTable out(std::move(table).value(), std::move(counted), start);
  for (const Rule& rule : rules.rules) out.nests_.push_back(rule.nests);
  int64_t first = out.table_.states();
  for (const Counted& each : out.counted_) {
    out.firsts_.push_back(static_cast<int>(first));
    first += (most_of(each) + 1) * each.part->states();
    if (first > INT32_MAX) return Failure{"", "is too large: its counted repetitions have more than 2^31 places"};
  }
  for (int state = 0; state < out.table_.states(); ++state) {
    for (const auto& [rule, then] : out.table_.calls(state)) {
      if (static_cast<size_t>(rule) >= out.table_.rules()) out.calls_of_counted_.emplace(rule, then);
    }
  }
  return out;
}

int RuleTable::start_of(int rule) const {
  const size_t id = static_cast<size_t>(rule), rules = table_.rules();
  if (id < rules) return table_.start(id);
  const Counted& counted = counted_[id - rules];
  return firsts_[id - rules] + counted.part->start();
}

RuleTable::Place RuleTable::place(int state) const {
  const auto found = std::upper_bound(firsts_.begin(), firsts_.end(), state) - 1;
  const Counted& counted = counted_[static_cast<size_t>(found - firsts_.begin())];
  const int at = state - *found, states = counted.part->states();
  return {&counted, at / states, at % states, *found};
}

int RuleTable::state_of(const Place& place) const {
  return place.first + static_cast<int>(place.times * place.of->part->states()) + place.within;
}

int RuleTable::next_of_counted(int state, uint8_t byte) const {
  Place at = place(state);
  const Automaton& part = *at.of->part;
  if (at.within == part.start() && at.of->most >= 0 && at.times == at.of->most) return Automaton::kDead;
  at.within = part.next(at.within, byte);
  if (at.within == Automaton::kDead) return Automaton::kDead;
  if (part.is_end(at.within)) {
    at.times = std::min(at.times + 1, most_of(*at.of));
    at.within = part.start();
  }
  return state_of(at);
}

bool RuleTable::is_end(int state) const {
  if (state < table_.states()) return table_.is_end(state);
  const Place at = place(state);
  return at.within == at.of->part->start() && at.times >= at.of->least;
}

bool RuleTable::leads_on(int state) const {
  if (state < table_.states()) return table_.leads_on(state);
  const Place at = place(state);
  return at.within != at.of->part->start() || at.of->most < 0 || at.times < at.of->most;
}

int64_t RuleTable::distance(int state) const {
  if (state < table_.states()) return table_.distance(state);
  const Place at = place(state);
  const Automaton& part = *at.of->part;
  const bool between = at.within == part.start();
  const int64_t more = std::max<int64_t>(at.of->least - at.times - (between ? 0 : 1), 0);
  return more * part.distance(part.start()) + (between ? 0 : part.distance(at.within));
}

}  // namespace gemma
