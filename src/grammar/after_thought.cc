// SPDX-License-Identifier: Apache-2.0
#include "grammar/after_thought.h"

#include <algorithm>
#include <utility>

namespace gemma {

ThoughtPlace thought_place(const Tokenizer& tokenizer, std::vector<int32_t> stop_ids, bool may_open) {
  ThoughtPlace place{tokenizer.find("<|channel>").value_or(-1), tokenizer.find("<channel|>").value_or(-1)};
  place.may_open = may_open && place.open >= 0 && place.close >= 0;
  place.stop_ids = std::move(stop_ids);
  return place;
}

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
  return answer_->free() || (state() == State::thought && place_.stop_ids.empty());
}

void AfterThought::fill(std::span<uint32_t> bits) {
  if (state() == State::thought) {
    std::fill(bits.begin(), bits.end(), ~uint32_t{0});
    if (budget_ != nullptr) budget_->fill(bits);
    if (answer_->free()) return;
    for (const int32_t id : place_.stop_ids) bits[static_cast<size_t>(id / 32)] &= ~(uint32_t{1} << (id % 32));
    return;
  }
  answer_->fill(bits);
  if (state() == State::start) bits[static_cast<size_t>(place_.open / 32)] |= uint32_t{1} << (place_.open % 32);
}

bool AfterThought::accept(int32_t token) {
  State next = state();
  // Where anything may come, another thought may: what it holds is none of the answer's, and the budget holds it.
  if (next == State::start || (next == State::answer && answer_->free()))
    next = token == place_.open ? State::thought : State::answer;
  else if (next == State::thought && token == place_.close)
    next = State::answer;
  else if (next == State::thought && !answer_->free() &&
           std::find(place_.stop_ids.begin(), place_.stop_ids.end(), token) != place_.stop_ids.end())
    return false;
  const bool answers = next == State::answer && state() != State::thought;
  if (answers && !answer_->accept(token)) return false;
  if (budget_ != nullptr && !budget_->accept(token)) {
    if (answers) answer_->rollback(1);
    return false;
  }
  states_.push_back(next);
  return true;
}

bool AfterThought::nearer(std::span<uint32_t> bits) const {
  if (state() != State::thought) {
    const auto* ending = dynamic_cast<const Ending*>(answer_.get());
    return ending != nullptr && ending->nearer(bits);
  }
  if (place_.close < 0) return false;
  std::fill(bits.begin(), bits.end(), 0u);
  bits[static_cast<size_t>(place_.close / 32)] |= uint32_t{1} << (place_.close % 32);
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
