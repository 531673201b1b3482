// SPDX-License-Identifier: Apache-2.0
#include "grammar/call_mask.h"

#include <algorithm>
#include <utility>

namespace gemma {
namespace {

void set_bit(std::span<uint32_t> bits, int32_t id) { bits[static_cast<size_t>(id / 32)] |= uint32_t{1} << (id % 32); }
bool has_bit(std::span<const uint32_t> bits, int32_t id) {
  return (bits[static_cast<size_t>(id / 32)] >> (id % 32) & 1) != 0;
}

}  // namespace

CallMask::CallMask(std::unique_ptr<TokenMask> structure, std::shared_ptr<const CallPlan> plan)
    : structure_(std::move(structure)), plan_(std::move(plan)) {
  const int32_t ids = plan_->tokens.first_text + plan_->tokens.texts;
  bits_.resize(static_cast<size_t>((ids + 31) / 32));
  states_.emplace_back();
  if (plan_->free_text) states_[0].mode = Mode::free_text;
}

const std::vector<uint32_t>& CallMask::structure_bits() {
  structure_->fill(bits_);
  return bits_;
}

void CallMask::fill(std::span<uint32_t> bits) {
  if (now().mode == Mode::free_text) return std::fill(bits.begin(), bits.end(), ~uint32_t{0});
  if (now().mode == Mode::text) {
    std::fill(bits.begin(), bits.end(), 0u);
    bool whole = false;
    for (const Reading& reading : now().readings) {
      plan_->texts[reading.kind]->allow(reading.place, bits);
      whole = whole || plan_->texts[reading.kind]->whole(reading.place);
    }
    if (whole) set_bit(bits, plan_->tokens.quote);
    return;
  }
  structure_->fill(bits);
  if (now().depth < kDeepest) return;
  const std::vector<uint32_t>& braces = plan_->vocabulary->braces();
  bool others = false;
  for (size_t i = 0; i < bits.size() && !others; ++i) others = (bits[i] & ~braces[i]) != 0;
  for (size_t i = 0; i < bits.size() && others; ++i) bits[i] &= ~braces[i];
}

bool CallMask::feed(int32_t token, State& next) {
  if (!structure_->accept(token)) return false;
  ++next.fed;
  return true;
}

/** The kinds of text that may stand in the string that has just begun; none in a name whose letters the rules know. */
std::vector<CallMask::Reading> CallMask::openings() {
  std::vector<Reading> out;
  const std::vector<uint32_t>& bits = structure_bits();
  for (size_t kind = 0; kind < plan_->texts.size(); ++kind) {
    if (!has_bit(bits, plan_->tokens.first_text + static_cast<int32_t>(kind))) continue;
    out.push_back({kind, plan_->texts[kind]->start()});
  }
  return out;
}

int CallMask::depth_after(int32_t token, int depth) const {
  for (const char c : plan_->vocabulary->text(token)) {
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
  }
  return depth;
}

bool CallMask::accept_structure(int32_t token, State& next) {
  if (token >= plan_->tokens.first_text || !feed(token, next)) return false;
  if (token != plan_->tokens.quote) {
    if (!next.in_name) next.depth = depth_after(token, next.depth);
    return true;
  }
  next.in_name = !next.in_name;
  if (!next.in_name) return true;
  next.readings = openings();
  if (next.readings.empty()) return true;
  next.in_name = false;
  next.mode = Mode::text;
  return true;
}

bool CallMask::accept_text(int32_t token, State& next) {
  if (token != plan_->tokens.quote) {
    for (Reading& reading : next.readings) reading.place = plan_->texts[reading.kind]->after(reading.place, token);
    std::erase_if(next.readings, [](const Reading& reading) { return reading.place == TextRule::kNowhere; });
    return !next.readings.empty();
  }
  // Where the text is of several kinds, the first counts: what comes then is narrower than it might be, never wrong.
  const auto whole = std::find_if(next.readings.begin(), next.readings.end(), [&](const Reading& reading) {
    return plan_->texts[reading.kind]->whole(reading.place);
  });
  if (whole == next.readings.end()) return false;
  const int32_t kind = plan_->tokens.first_text + static_cast<int32_t>(whole->kind);
  GEMMA_CHECK(feed(kind, next) && feed(plan_->tokens.quote, next), "a string that may begin may end");
  next.readings.clear();
  next.mode = Mode::structure;
  return true;
}

bool CallMask::accept(int32_t token) {
  State next = now();
  next.fed = 0;
  bool accepted = next.mode != Mode::stopped;
  if (next.mode == Mode::free_text) {
    if (token == plan_->tokens.open) {
      next.mode = Mode::structure;
      accepted = feed(token, next);
    } else if (std::find(plan_->stop_ids.begin(), plan_->stop_ids.end(), token) != plan_->stop_ids.end()) {
      next.mode = Mode::stopped;
    }
  } else if (accepted) {
    accepted = next.mode == Mode::text ? accept_text(token, next) : accept_structure(token, next);
  }
  if (!accepted) {
    structure_->rollback(next.fed);
    return false;
  }
  states_.push_back(std::move(next));
  return true;
}

void CallMask::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < states_.size(), "no more is undone than was accepted");
  int fed = 0;
  for (int i = 0; i < tokens; ++i) {
    fed += now().fed;
    states_.pop_back();
  }
  structure_->rollback(fed);
}

/** In a string: the quote, or what leads to one. */
bool CallMask::nearer(std::span<uint32_t> bits) const {
  if (now().mode != Mode::text) return false;
  const bool whole = has_bit(bits, plan_->tokens.quote);
  const Reading& first = now().readings.front();
  if (!whole) {
    plan_->texts[first.kind]->nearer(first.place, bits);
  } else {
    std::fill(bits.begin(), bits.end(), 0u);
    set_bit(bits, plan_->tokens.quote);
  }
  return true;
}

bool CallMask::finished() const {
  return now().mode == Mode::stopped || (now().mode == Mode::structure && structure_->finished());
}

}  // namespace gemma
