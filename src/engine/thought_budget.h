// SPDX-License-Identifier: Apache-2.0
// A mask that ends a thought: everything is free until the thought has `budget` tokens, then only the token that closes
// it may come.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace gemma {

class ThoughtBudget final : public TokenMask {
 public:
  /** open, close: ids of the thought's delimiters. begins_open: the prompt has opened the thought already. */
  ThoughtBudget(int budget, int32_t open, int32_t close, bool begins_open = false);

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override { return false; }
  bool free() const override;

 private:
  int budget_;
  int32_t open_, close_;
  std::vector<int> spent_;  // after each token: tokens of the open thought, -1 outside one
};

}  // namespace gemma
