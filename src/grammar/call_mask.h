// SPDX-License-Identifier: Apache-2.0
// The mask of tool calls: rules for their structure (call_syntax.h), and for the text of each string what it may be.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "grammar/call_syntax.h"
#include "grammar/ending.h"
#include "grammar/text_rule.h"

namespace gemma {

/** What all masks of one grammar of calls share. */
struct CallPlan {
  CallTokens tokens;
  std::shared_ptr<const TokenTexts> vocabulary;
  std::vector<std::unique_ptr<const TextRule>> texts;  // of CallTokens::first_text and on
  std::vector<int32_t> stop_ids;
  bool free_text = false;  // an answer may have text before its calls, or no call at all
};

class CallMask final : public TokenMask, public Ending {
 public:
  /** Levels of lists and objects from which on no more are opened where anything else may come; the parser's end is at
   *  128. */
  static constexpr int kDeepest = 100;

  /** structure: what the rules allow. It fills more bits than the head has rows when it is given room for them. */
  CallMask(std::unique_ptr<TokenMask> structure, std::shared_ptr<const CallPlan> plan);

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override;
  bool free() const override { return now().mode == Mode::free_text; }
  bool nearer(std::span<uint32_t> bits) const override;

 private:
  enum class Mode : uint8_t { free_text, structure, text, stopped };
  /** In a string: a kind that its text may still be of, and how far it has come. */
  struct Reading {
    size_t kind;
    int64_t place;
  };
  struct State {
    Mode mode = Mode::structure;
    bool in_name = false;  // of a quoted name whose letters the rules know
    int depth = 0;
    int fed = 0;  // tokens that the structure took for the last one
    std::vector<Reading> readings;
  };

  const State& now() const { return states_.back(); }
  const std::vector<uint32_t>& structure_bits();
  std::vector<Reading> openings();
  bool accept_structure(int32_t token, State& next);
  bool accept_text(int32_t token, State& next);
  bool feed(int32_t token, State& next);
  int depth_after(int32_t token, int depth) const;

  std::unique_ptr<TokenMask> structure_;
  std::shared_ptr<const CallPlan> plan_;
  std::vector<State> states_;  // at the beginning and after each token
  std::vector<uint32_t> bits_;
};

}  // namespace gemma
