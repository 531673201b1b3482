// SPDX-License-Identifier: Apache-2.0
// Masks for tests: one that lets an answer say one thing alone, and one that depends on all it has said.
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

/** About a third of all ids; which, depends on all tokens before, so that a token lost or taken twice is seen. */
class Winding final : public TokenMask {
 public:
  explicit Winding(uint32_t seed) : states_{seed} {}
  void fill(std::span<uint32_t> bits) override {
    for (size_t i = 0; i < bits.size() * 32; ++i) {
      const uint32_t bit = 1u << (i % 32);
      bits[i / 32] = allows(i) ? bits[i / 32] | bit : bits[i / 32] & ~bit;
    }
  }
  bool accept(int32_t token) override {
    const bool allowed = allows(static_cast<size_t>(token));
    states_.push_back((states_.back() ^ static_cast<uint32_t>(token)) * 2654435761u + 1);
    return allowed;
  }
  void rollback(int tokens) override { states_.resize(states_.size() - static_cast<size_t>(tokens)); }
  bool finished() const override { return false; }
  bool free() const override { return false; }

 private:
  bool allows(size_t id) const { return (static_cast<uint32_t>(id) * 2246822519u ^ states_.back()) % 3 == 0; }

  std::vector<uint32_t> states_;
};

}  // namespace gemma::testing_engine
