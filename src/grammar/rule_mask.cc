// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_mask.h"

#include <algorithm>

namespace gemma {
namespace {

using Node = TokenTexts::Node;

void set_bit(std::span<uint32_t> bits, int32_t id) { bits[static_cast<size_t>(id / 32)] |= uint32_t{1} << (id % 32); }

void add_bits(std::vector<uint32_t>& bits, const std::vector<uint32_t>& others) {
  for (size_t i = 0; i < bits.size(); ++i) bits[i] |= others[i];
}

ByteSet bytes_after(RuleStates& states, int set) {
  ByteSet out;
  for (size_t byte = 0; byte < out.size() && set != RuleStates::kDead; ++byte) {
    out[byte] = states.step(set, static_cast<uint8_t>(byte)) != RuleStates::kDead;
  }
  return out;
}

/** From a set on over the nodes that follow each other from `first` to `last`: `visit` gets a node's number, the set
 *  behind it, and says whether to go on below. */
template <class Visit>
void walk(RuleStates& states, const TokenTexts& texts, size_t first, size_t last, int set, const Visit& visit) {
  const std::span<const Node> tree = texts.tree();
  if (first == last) return;
  const size_t above = tree[first].depth - size_t{1};
  std::vector<int> behind(texts.longest() + 1, set);  // each byte of a text
  for (size_t i = first; i < last;) {
    const Node& node = tree[i];
    const int next = states.step(behind[node.depth - size_t{1} - above], node.byte);
    if (next == RuleStates::kDead || !visit(i, next)) {
      i = node.end;
      continue;
    }
    behind[node.depth - above] = next;
    ++i;
  }
}

}  // namespace

void RulePlan::prepare() const {
  RuleStates states(table);
  size_t left = RepeatStore::kMost / 2;
  table.each_counted_call([&](const RuleTable::Call& call) {
    if (left == 0) return;
    --left;
    const RuleTable::Place at = table.place(call.start);
    repeats->get(at.of->part, at.within, bytes_after(states, states.begin_at(call.then)));
  });
}

std::shared_ptr<const RulePlan::Within> RulePlan::find_within(int state) const {
  Within out{std::vector<uint32_t>(texts->words()), {}};
  RuleStates states(table);
  const std::span<const Node> tree = texts->tree();
  walk(states, *texts, 0, tree.size(), states.at(state), [&](size_t i, int set) {
    const Node& node = tree[i];
    if (node.id >= 0) set_bit(out.bits, node.id);
    if (states.done(set) && node.end > i + 1) out.exits.push_back(static_cast<uint32_t>(i));
    return true;
  });
  return std::make_shared<const Within>(std::move(out));
}

std::shared_ptr<const RulePlan::Within> RulePlan::within(int state) const {
  const auto known = kept_.with([&](auto& kept) {
    const auto found = kept.find(state);
    return found == kept.end() ? nullptr : found->second;
  });
  if (known != nullptr) return known;
  auto made = find_within(state);
  kept_.with([&](auto& kept) {
    if (kept.size() >= kMostKept) kept.clear();
    kept[state] = made;
  });
  return made;
}

RuleMask::RuleMask(std::shared_ptr<const RulePlan> plan)
    : plan_(std::move(plan)), states_(plan_->table), sets_{states_.begin()} {}

int RuleMask::after_bytes(int set, std::span<const uint8_t> bytes) const {
  for (const uint8_t byte : bytes) {
    if (set != RuleStates::kDead) set = states_.step(set, byte);
  }
  return set;
}

int RuleMask::after(int set, int32_t token) const {
  const std::vector<int32_t>& tokens = plan_->tokens;
  if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) {
    return after_bytes(set, Automaton::bytes_of_token(token));
  }
  const std::string_view text = plan_->texts->text(token);
  if (text.empty()) return RuleStates::kDead;
  return after_bytes(set, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void RuleMask::add_place(const RuleStates::Place& place, std::vector<uint32_t>& bits) {
  const auto within = plan_->within(place.state);
  add_bits(bits, within->bits);
  if (within->exits.empty() || place.frame == RuleStates::kNoFrame) return;
  const int behind = states_.behind(place);
  if (behind == RuleStates::kDead) return;
  const std::span<const Node> tree = plan_->texts->tree();
  for (const uint32_t exit : within->exits) {
    walk(states_, *plan_->texts, exit + size_t{1}, tree[exit].end, behind, [&](size_t i, int) {
      if (tree[i].id >= 0) set_bit(bits, tree[i].id);
      return true;
    });
  }
}

void RuleMask::add_exit(const RepeatTexts::Exit& exit, int behind, std::vector<uint32_t>& bits) {
  const std::span<const Node> tree = plan_->texts->tree();
  walk(states_, *plan_->texts, exit.node, tree[exit.node].end, behind, [&](size_t i, int) {
    if (tree[i].id >= 0) set_bit(bits, tree[i].id);
    return true;
  });
}

void RuleMask::add_repeat(const RuleStates::Place& place, std::vector<uint32_t>& bits) {
  const RuleTable::Place at = plan_->table.place(place.state);
  const int behind = place.frame == RuleStates::kNoFrame ? RuleStates::kDead : states_.behind(place);
  const auto texts = plan_->repeats->get(at.of->part, at.within, bytes_after(states_, behind));
  const int64_t left = at.of->most < 0 ? INT64_MAX : at.of->most - at.times;
  if (!texts->up_to.empty()) {
    add_bits(bits, texts->up_to[static_cast<size_t>(std::min<int64_t>(left, std::ssize(texts->up_to) - 1))]);
  }
  if (behind == RuleStates::kDead || texts->exits.empty()) return;
  if (at.times >= at.of->least && left >= texts->most_parts) {  // all may come
    const auto [found, is_new] = leaving_.try_emplace({texts, behind}, bits.size());
    if (is_new) {
      for (const RepeatTexts::Exit& exit : texts->exits) add_exit(exit, behind, found->second);
    }
    return add_bits(bits, found->second);
  }
  for (const RepeatTexts::Exit& exit : texts->exits) {
    if (at.times + exit.parts >= at.of->least && exit.parts <= left) add_exit(exit, behind, bits);
  }
}

std::vector<uint32_t> RuleMask::bits_of(int set) {
  std::vector<uint32_t> bits(plan_->texts->words());
  const std::vector<RuleStates::Place> places(states_.places(set).begin(), states_.places(set).end());
  for (const RuleStates::Place& place : places) {
    if (plan_->table.is_counted(place.state)) {
      add_repeat(place, bits);
    } else {
      add_place(place, bits);
    }
  }
  for (const int32_t token : plan_->tokens) {
    if (after(set, token) != RuleStates::kDead) set_bit(bits, token);
  }
  if (states_.done(set)) {
    for (const int32_t id : plan_->stop_ids) set_bit(bits, id);
  }
  return bits;
}

void RuleMask::fill(std::span<uint32_t> bits) {
  const int set = sets_.back();
  if (set == kStopped) return std::fill(bits.begin(), bits.end(), 0u);
  auto found = filled_.find(set);
  if (found == filled_.end()) {
    if (filled_.size() >= kMostFilled) filled_.clear();
    if (leaving_.size() >= kMostFilled) leaving_.clear();
    found = filled_.emplace(set, bits_of(set)).first;
  }
  std::copy_n(found->second.begin(), bits.size(), bits.begin());
}

bool RuleMask::accept(int32_t token) {
  const int set = sets_.back();
  if (set == kStopped) return false;
  int next = after(set, token);
  const std::vector<int32_t>& stops = plan_->stop_ids;
  if (next == RuleStates::kDead && states_.done(set) && std::find(stops.begin(), stops.end(), token) != stops.end()) {
    next = kStopped;
  }
  if (next == RuleStates::kDead) return false;
  sets_.push_back(next);
  return true;
}

void RuleMask::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < sets_.size(), "no more is undone than was accepted");
  sets_.resize(sets_.size() - static_cast<size_t>(tokens));
}

bool RuleMask::finished() const {
  const int set = sets_.back();
  return set == kStopped || (states_.done(set) && states_.places(set).empty());
}

/** Texts each byte of which is one on a shortest way. */
bool RuleMask::nearer(std::span<uint32_t> bits) const {
  const int set = sets_.back();
  if (set == kStopped || states_.done(set)) return false;
  const int64_t far = states_.distance(set);
  const std::span<const Node> tree = plan_->texts->tree();
  std::vector<uint32_t> near(bits.size());
  walk(states_, *plan_->texts, 0, tree.size(), set, [&](size_t i, int next) {
    if (states_.distance(next) + tree[i].depth > far) return false;
    if (tree[i].id >= 0) set_bit(near, tree[i].id);
    return true;
  });
  for (const int32_t token : plan_->tokens) {
    const int next = after(set, token);
    if (next != RuleStates::kDead && states_.distance(next) < far) set_bit(near, token);
  }
  bool any = false;
  for (size_t i = 0; i < bits.size(); ++i) any = any || (bits[i] & near[i]) != 0;
  for (size_t i = 0; i < bits.size() && any; ++i) bits[i] &= near[i];
  return any;
}

}  // namespace gemma
