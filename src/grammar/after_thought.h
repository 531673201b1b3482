// SPDX-License-Identifier: Apache-2.0
// A mask that begins behind a thought: the thought is free (or held to a budget), what comes after it is the answer's
// mask. An answer without a thought begins at once; behind the thought none is opened again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace gemma {

/** The delimiters of a thought, and how the prompt leaves it. */
struct ThoughtPlace {
  int32_t open = -1, close = -1;  // ids
  bool begins_open = false;       // the prompt has opened it
  bool may_open = true;           // the answer may begin with one
};

class AfterThought final : public TokenMask {
 public:
  /** budget: what holds the thought (ThoughtBudget), or null. It sees every token. */
  AfterThought(std::unique_ptr<TokenMask> answer, const ThoughtPlace& place, std::unique_ptr<TokenMask> budget);

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override { return state() == State::answer && answer_->finished(); }
  bool free() const override;

 private:
  enum class State : uint8_t { start, thought, answer };
  State state() const { return states_.back(); }

  std::unique_ptr<TokenMask> answer_, budget_;
  ThoughtPlace place_;
  std::vector<State> states_;  // at the beginning and after each token
};

}  // namespace gemma
