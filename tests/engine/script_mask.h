// SPDX-License-Identifier: Apache-2.0
// A mask that lets an answer say one thing alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace gemma::testing_engine {

/** Only ids of one list, one after the other; a negative one: none may come. */
class Script final : public TokenMask {
 public:
  explicit Script(std::vector<int32_t> ids) : ids_(std::move(ids)) {}
  void fill(std::span<uint32_t> bits) override {
    std::fill(bits.begin(), bits.end(), 0u);
    if (ids_[at_] >= 0) bits[static_cast<size_t>(ids_[at_] / 32)] |= 1u << (ids_[at_] % 32);
  }
  bool accept(int32_t token) override { return token == ids_[at_++]; }
  void rollback(int tokens) override { at_ -= static_cast<size_t>(tokens); }
  bool finished() const override { return at_ == ids_.size(); }
  bool free() const override { return false; }

 private:
  std::vector<int32_t> ids_;
  size_t at_ = 0;
};

}  // namespace gemma::testing_engine
