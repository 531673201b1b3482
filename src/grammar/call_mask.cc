// SPDX-License-Identifier: Apache-2.0
#include "grammar/call_mask.h"

#include <algorithm>
#include <utility>

namespace gemma {

std::shared_ptr<const Grammar> calls_or_form(std::shared_ptr<const Grammar> calls, std::shared_ptr<const Grammar> form,
                                             int32_t open) {
  const auto mask = [calls = std::move(calls), form = std::move(form), open] {
    return std::make_unique<CallsOrForm>(calls->mask(), form->mask(), open);
  };
  return std::make_shared<const Grammar>(mask, 0, 0.0);  // its parts are those that take room and time
}

void CallMask::fill(std::span<uint32_t> bits) {
  if (modes_.back() == Mode::calls) return calls_->fill(bits);
  std::fill(bits.begin(), bits.end(), modes_.back() == Mode::text ? ~uint32_t{0} : 0u);
}

bool CallMask::accept(int32_t token) {
  Mode next = modes_.back();
  if (next == Mode::text) {
    if (token == open_) next = Mode::calls;
    if (std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end()) next = Mode::stopped;
  }
  if (modes_.back() == Mode::stopped || (next == Mode::calls && !calls_->accept(token))) return false;
  modes_.push_back(next);
  return true;
}

void CallMask::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < modes_.size(), "no more is undone than was accepted");
  const auto undone = std::count(modes_.end() - tokens, modes_.end(), Mode::calls);
  modes_.resize(modes_.size() - static_cast<size_t>(tokens));
  calls_->rollback(static_cast<int>(undone));
}

bool CallMask::finished() const {
  return modes_.back() == Mode::stopped || (modes_.back() == Mode::calls && calls_->finished());
}

bool CallMask::nearer(std::span<uint32_t> bits) const {
  const auto* ending = dynamic_cast<const Ending*>(calls_.get());
  return modes_.back() == Mode::calls && ending != nullptr && ending->nearer(bits);
}

void CallsOrForm::fill(std::span<uint32_t> bits) {
  if (taken_ > 0) return chosen_->fill(bits);
  form_->fill(bits);
  bits[static_cast<size_t>(open_ / 32)] |= uint32_t{1} << (open_ % 32);
}

bool CallsOrForm::accept(int32_t token) {
  if (taken_ == 0) chosen_ = token == open_ ? calls_.get() : form_.get();
  if (!chosen_->accept(token)) return false;
  ++taken_;
  return true;
}

void CallsOrForm::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && tokens <= taken_, "no more is undone than was accepted");
  if (tokens > 0) chosen_->rollback(tokens);
  taken_ -= tokens;
}

bool CallsOrForm::nearer(std::span<uint32_t> bits) const {
  const auto* ending = dynamic_cast<const Ending*>(taken_ > 0 ? chosen_ : form_.get());
  return ending != nullptr && ending->nearer(bits);
}

}  // namespace gemma
