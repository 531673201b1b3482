// SPDX-License-Identifier: Apache-2.0
// The mask of an answer that is a text of a rule (text_rule.h), and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "grammar/ending.h"
#include "grammar/text_rule.h"

namespace gemma {

class TextMask final : public TokenMask, public Ending {
 public:
  TextMask(std::shared_ptr<const TextRule> rule, std::vector<int32_t> stop_ids)
      : rule_(std::move(rule)), stop_ids_(std::move(stop_ids)), places_{rule_->start()} {}

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override;
  bool free() const override { return false; }
  bool nearer(std::span<uint32_t> bits) const override;

 private:
  static constexpr int64_t kStopped = -2;  // a place behind a stop id

  std::shared_ptr<const TextRule> rule_;
  std::vector<int32_t> stop_ids_;
  std::vector<int64_t> places_;  // at the beginning and after each token
};

}  // namespace gemma
