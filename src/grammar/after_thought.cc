// SPDX-License-Identifier: Apache-2.0
#include "grammar/after_thought.h"

#include <algorithm>
#include <utility>

namespace gemma {

AfterThought::AfterThought(std::unique_ptr<TokenMask> answer, const ThoughtPlace& place,
                           std::unique_ptr<TokenMask> budget)
    : answer_(std::move(answer)),
      budget_(std::move(budget)),
      place_(place),
      states_{place.begins_open ? State::thought
              : place.may_open  ? State::start
                                : State::answer} {}

bool AfterThought::free() const {
  if (budget_ != nullptr && !budget_->free()) return false;
  return state() == State::thought || answer_->free();  // where everything may come, a thought may too
}

void AfterThought::fill(std::span<uint32_t> bits) {
  if (state() == State::thought) {
    if (budget_ != nullptr) return budget_->fill(bits);
    return std::fill(bits.begin(), bits.end(), ~uint32_t{0});
  }
  answer_->fill(bits);
  if (state() == State::start) bits[static_cast<size_t>(place_.open / 32)] |= uint32_t{1} << (place_.open % 32);
}

bool AfterThought::accept(int32_t token) {
  State next = state();
  if (next == State::start)
    next = token == place_.open ? State::thought : State::answer;
  else if (next == State::thought && token == place_.close)
    next = State::answer;
  const bool answers = next == State::answer && state() != State::thought;
  if (answers && !answer_->accept(token)) return false;
  if (budget_ != nullptr && !budget_->accept(token)) {
    if (answers) answer_->rollback(1);
    return false;
  }
  states_.push_back(next);
  return true;
}

void AfterThought::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < states_.size(), "no more is undone than was accepted");
  int answered = 0;
  for (int i = 0; i < tokens; ++i) {
    const State after = state();
    states_.pop_back();
    answered += after == State::answer && state() != State::thought;
  }
  answer_->rollback(answered);
  if (budget_ != nullptr) budget_->rollback(tokens);
}

}  // namespace gemma
