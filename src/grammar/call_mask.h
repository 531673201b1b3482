// SPDX-License-Identifier: Apache-2.0
// The mask of an answer that may have text before its calls, or no call at all: everything may come until a call
// begins.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "grammar/ending.h"

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

}  // namespace gemma
