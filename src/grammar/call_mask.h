// SPDX-License-Identifier: Apache-2.0
// Masks of answers that may be calls: CallMask, where text may come before them, or no call at all: everything may come
// until a call begins; and CallsOrForm, where an answer without calls is held to a form.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "grammar/ending.h"
#include "grammar/grammar.h"

namespace gemma {

class CallMask final : public TokenMask, public Ending {
 public:
  /** calls: what may come from the first call on, which begins with `open`. */
  CallMask(std::unique_ptr<TokenMask> calls, int32_t open, std::vector<int32_t> stop_ids)
      : calls_(std::move(calls)), open_(open), stop_ids_(std::move(stop_ids)), modes_{Mode::text} {}

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override;
  bool free() const override { return modes_.back() == Mode::text; }
  bool nearer(std::span<uint32_t> bits) const override;

 private:
  enum class Mode : uint8_t { text, calls, stopped };

  std::unique_ptr<TokenMask> calls_;
  int32_t open_;
  std::vector<int32_t> stop_ids_;
  std::vector<Mode> modes_;  // at the beginning and after each token
};

/** Of calls that are required, which begin with `open`, and a form of answers that begins with no control token: an
 *  answer is either. */
std::shared_ptr<const Grammar> calls_or_form(std::shared_ptr<const Grammar> calls, std::shared_ptr<const Grammar> form,
                                             int32_t open);

/** The first token decides: one that begins a call, or one of the form. */
class CallsOrForm final : public TokenMask, public Ending {
 public:
  /** Both stand at their beginning; calls begin with `open`. */
  CallsOrForm(std::unique_ptr<TokenMask> calls, std::unique_ptr<TokenMask> form, int32_t open)
      : calls_(std::move(calls)), form_(std::move(form)), open_(open) {}

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override { return taken_ > 0 && chosen_->finished(); }
  bool free() const override { return false; }
  /** At the beginning of the form alone: a call is the longer way. */
  bool nearer(std::span<uint32_t> bits) const override;

 private:
  std::unique_ptr<TokenMask> calls_, form_;
  int32_t open_;
  int taken_ = 0;                // tokens
  TokenMask* chosen_ = nullptr;  // by the first of them
};

}  // namespace gemma
