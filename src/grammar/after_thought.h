// SPDX-License-Identifier: Apache-2.0
// A mask that begins behind a thought: the thought is free (or held to a budget), what comes after it is the answer's
// mask. An answer without a thought begins at once; behind the thought none is opened again. Where the answer must have
// a form, the turn does not end inside the thought.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "grammar/ending.h"
#include "text/tokenizer.h"

namespace gemma {

/** The delimiters of a thought, and how the prompt leaves it. */
struct ThoughtPlace {
  int32_t open = -1, close = -1;    // ids
  bool begins_open = false;         // the prompt has opened it
  bool may_open = true;             // the answer may begin with one
  std::vector<int32_t> stop_ids{};  // that end the turn
};

/** By the tokenizer's names of the delimiters. may_open: false too where it has none. */
ThoughtPlace thought_place(const Tokenizer& tokenizer, std::vector<int32_t> stop_ids, bool may_open);

class AfterThought final : public TokenMask, public Ending {
 public:
  /** budget: what holds the thought (ThoughtBudget), or null. It sees every token. */
  AfterThought(std::unique_ptr<TokenMask> answer, const ThoughtPlace& place, std::unique_ptr<TokenMask> budget);

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override { return state() == State::answer && answer_->finished(); }
  bool free() const override;
  /** Of a thought: its close. */
  bool nearer(std::span<uint32_t> bits) const override;

 private:
  enum class State : uint8_t { start, thought, answer };
  State state() const { return states_.back(); }

  std::unique_ptr<TokenMask> answer_, budget_;
  ThoughtPlace place_;
  std::vector<State> states_;  // at the beginning and after each token
};

}  // namespace gemma
