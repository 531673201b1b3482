// SPDX-License-Identifier: Apache-2.0
// The sets of places (pattern_nodes.h) that a text may have come to.
#include "grammar/automaton.h"

#include <algorithm>
#include <bitset>
#include <deque>
#include <map>
#include <queue>

#include "grammar/pattern_nodes.h"
#include "grammar/rule_text.h"

namespace gemma {
namespace {

constexpr size_t kMostInSets = 4'000'000;  // nodes of all sets together: a second
constexpr size_t kMostTable = 8'000'000;   // entries
constexpr int kNone = -1;

}  // namespace

class AutomatonBuilder {
 public:
  /** firsts: the node that begins each rule. counted: what is called by the numbers behind those of the rules. */
  AutomatonBuilder(std::vector<PatternNode> nodes, const std::vector<int>& firsts, size_t root,
                   const std::vector<Counted>& counted)
      : nodes_(std::move(nodes)),
        root_(root),
        counted_(counted),
        most_states_(firsts.size() > 1 ? Automaton::kMostStatesOfRules : Automaton::kMostStates),
        seen_(nodes_.size()) {
    make_columns();
    for (const int first : firsts) {
      // Apart from the others: where a text begins, more anchors hold.
      begins_.push_back(reached({first}, true));
      out_.starts_.push_back(static_cast<int>(sets_.size()));
      add_state(begins_.back(), true);
    }
  }

  Result<Automaton> build() {
    for (size_t i = 0; i < sets_.size() && !too_large(); ++i) add_row(i);
    if (too_large()) {
      return Failure{"", fmt::format("is too large: it would take a table of more than {} states, {} entries or {} "
                                     "places in all states together, or {} steps to make it",
                                     most_states_, kMostTable, kMostInSets, Automaton::kMostSteps)};
    }
    return without_dead_ends() ? Result<Automaton>(std::move(out_)) : Failure{"", "no text fits it"};
  }

 private:
  using Set = std::vector<int>;

  bool too_large() const {
    return out_.states() > most_states_ || in_sets_ > kMostInSets || out_.table_.size() > kMostTable ||
           out_.steps_ > Automaton::kMostSteps;
  }

  void make_columns() {
    std::bitset<257> borders;
    for (const PatternNode& node : nodes_) {
      if (node.kind != PatternNode::Kind::bytes || node.low > node.high) continue;
      borders.set(node.low);
      borders.set(node.high + size_t{1});
    }
    uint8_t column = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (byte > 0 && borders[byte]) ++column;
      out_.column_[byte] = column;
    }
    out_.columns_ = size_t{column} + 1;
  }

  /** The nodes that wait for a byte or an end, from these on. */
  Set reached(Set from, bool at_begin) {
    ++round_;
    Set out;
    while (!from.empty()) {
      const int at = from.back();
      from.pop_back();
      ++out_.steps_;
      if (at == kNone || seen_[static_cast<size_t>(at)] == round_) continue;
      seen_[static_cast<size_t>(at)] = round_;
      const PatternNode& node = nodes_[static_cast<size_t>(at)];
      if (node.kind == PatternNode::Kind::both) {
        from.push_back(node.next);
        from.push_back(node.other);
      } else if (node.kind == PatternNode::Kind::begin) {
        if (at_begin) from.push_back(node.next);
      } else {
        out.push_back(at);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  /** Whether the pattern may be over here: only anchors lie between one of the nodes and its end. */
  bool may_end(const Set& set, bool at_begin) {
    Set from = set;
    ++round_;
    while (!from.empty()) {
      const int at = from.back();
      from.pop_back();
      ++out_.steps_;
      if (at == kNone || seen_[static_cast<size_t>(at)] == round_) continue;
      seen_[static_cast<size_t>(at)] = round_;
      const PatternNode& node = nodes_[static_cast<size_t>(at)];
      if (node.kind == PatternNode::Kind::done) return true;
      if (node.kind == PatternNode::Kind::bytes || node.kind == PatternNode::Kind::call) continue;
      if (node.kind == PatternNode::Kind::begin && !at_begin) continue;
      from.push_back(node.next);
      if (node.kind == PatternNode::Kind::both) from.push_back(node.other);
    }
    return false;
  }

  int state_of(Set set) {
    if (set.empty()) return Automaton::kDead;
    const auto [found, is_new] = states_.emplace(std::move(set), static_cast<int>(sets_.size()));
    if (is_new) add_state(found->first, false);
    return found->second;
  }

  void add_state(const Set& set, bool at_begin) {
    in_sets_ += set.size();
    sets_.push_back(&set);
    out_.ends_.push_back(may_end(set, at_begin));
  }

  void add_row(size_t state) {
    std::vector<Set> targets(out_.columns_);
    for (const int at : *sets_[state]) {
      const PatternNode& node = nodes_[static_cast<size_t>(at)];
      if (node.kind != PatternNode::Kind::bytes || node.low > node.high) continue;
      for (size_t column = out_.column_[node.low]; column <= out_.column_[node.high]; ++column) {
        targets[column].push_back(node.next);
      }
    }
    for (Set& target : targets)
      out_.table_.push_back(target.empty() ? Automaton::kDead : state_of(reached(target, false)));
    std::map<int, Set> behind;  // each rule that is called
    for (const int at : *sets_[state]) {
      const PatternNode& node = nodes_[static_cast<size_t>(at)];
      if (node.kind == PatternNode::Kind::call) behind[node.other].push_back(node.next);
    }
    for (const auto& [rule, nexts] : behind) {
      const int then = state_of(reached(nexts, false));
      if (then != Automaton::kDead) out_.calls_.push_back({rule, then});
    }
    out_.calls_end_.push_back(static_cast<uint32_t>(out_.calls_.size()));
  }

  /** The fewest bytes from each state to the end of its rule, the nearest first. */
  void measure() {
    using Found = std::pair<int64_t, int>;  // a distance, a state
    std::priority_queue<Found, std::vector<Found>, std::greater<>> open;
    const auto states = static_cast<size_t>(out_.states());
    std::vector<std::vector<int>> before(states);
    std::vector<std::vector<std::pair<int, Automaton::Call>>> callers(states);  // of what a call needs: who makes it
    std::vector<int64_t>& known = out_.distances_;
    known.assign(states, kNone);
    const auto length = [&](int rule) {  // of a rule's shortest text
      const auto id = static_cast<size_t>(rule);
      return id < out_.starts_.size() ? known[static_cast<size_t>(out_.starts_[id])]
                                      : counted_[id - out_.starts_.size()].distance();
    };
    for (int state = 0; state < out_.states(); ++state) {
      for (size_t column = 0; column < out_.columns_; ++column) {
        const int32_t next = out_.row(state)[column];
        if (next != Automaton::kDead) before[static_cast<size_t>(next)].push_back(state);
      }
      for (const Automaton::Call& call : out_.calls(state)) {
        callers[static_cast<size_t>(call.then)].emplace_back(state, call);
        const auto rule = static_cast<size_t>(call.rule);
        if (rule < out_.starts_.size()) callers[static_cast<size_t>(out_.starts_[rule])].emplace_back(state, call);
      }
      if (out_.is_end(state)) open.emplace(0, state);
    }
    while (!open.empty()) {
      const auto [distance, state] = open.top();
      open.pop();
      int64_t& its = known[static_cast<size_t>(state)];
      if (its != kNone) continue;
      its = distance;
      for (const int each : before[static_cast<size_t>(state)]) open.emplace(distance + 1, each);
      for (const auto& [each, call] : callers[static_cast<size_t>(state)]) {
        const int64_t rule = length(call.rule), then = out_.distance(call.then);
        if (rule != kNone && then != kNone) open.emplace(rule + then, each);
      }
    }
  }

  /** Takes away what leads to no end; whether anything is left. */
  bool without_dead_ends() {
    measure();
    for (int32_t& next : out_.table_) {
      if (next != Automaton::kDead && out_.distance(next) == kNone) next = Automaton::kDead;
    }
    const auto dead = [&](const Automaton::Call& call) {
      const auto rule = static_cast<size_t>(call.rule);
      return out_.distance(call.then) == kNone ||
             (rule < out_.starts_.size() && out_.distance(out_.starts_[rule]) == kNone);
    };
    std::vector<Automaton::Call> kept;
    for (size_t state = 0, at = 0; state < out_.calls_end_.size(); ++state) {
      for (; at < out_.calls_end_[state]; ++at) {
        if (!dead(out_.calls_[at])) kept.push_back(out_.calls_[at]);
      }
      out_.calls_end_[state] = static_cast<uint32_t>(kept.size());
    }
    out_.calls_ = std::move(kept);
    return out_.distance(out_.starts_[root_]) != kNone;
  }

  const std::vector<PatternNode> nodes_;
  const size_t root_;
  const std::vector<Counted>& counted_;
  const int most_states_;
  std::vector<uint32_t> seen_;  // in which round
  uint32_t round_ = 0;
  std::deque<Set> begins_;
  std::map<Set, int> states_;
  std::vector<const Set*> sets_;
  size_t in_sets_ = 0;
  Automaton out_;
};

std::span<const Automaton::Call> Automaton::calls(int state) const {
  const auto at = static_cast<size_t>(state);
  const size_t begin = at == 0 ? 0 : calls_end_[at - 1];
  return {calls_.data() + begin, calls_end_[at] - begin};
}

bool Automaton::is_prefix_free() const {
  for (int state = 0; state < states(); ++state) {
    if (is_end(state) && leads_on(state)) return false;
  }
  return !is_end(start());
}

bool Automaton::leads_on(int state) const {
  const auto row = table_.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(state) * columns_);
  return std::any_of(row, row + static_cast<std::ptrdiff_t>(columns_), [](int32_t next) { return next != kDead; });
}

namespace {

Failure too_many_places() {
  return {"",
          fmt::format("is too large: more than {} places where its repetitions are written out", PatternNodes::kMost)};
}

}  // namespace

Result<Automaton> Automaton::of(const Pattern& pattern) {
  PatternNodes builder;
  const int first = builder.build(pattern);
  if (builder.full()) return too_many_places();
  return AutomatonBuilder(builder.take(), {first}, 0, {}).build();
}

Result<Automaton> Automaton::of(const RuleSet& rules, std::vector<Counted>& counted) {
  PatternNodes builder(&counted, rules.rules.size());
  std::vector<int> firsts;
  for (const Rule& rule : rules.rules) firsts.push_back(builder.build(rule.body));
  if (builder.full()) return too_many_places();
  return AutomatonBuilder(builder.take(), firsts, rules.root, counted).build();
}

}  // namespace gemma
