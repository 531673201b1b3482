// SPDX-License-Identifier: Apache-2.0
// The mask of an answer that is a text of rules (rule_table.h).
//
// What may come at a place is a walk over the tree of all texts of the vocabulary (token_texts.h). Where much may come,
// as in a string, most texts end within the rule that the place is in: these are found once for a state and kept, with
// the nodes of the tree where the rule may be over. Only from there on does it matter what the rule goes back to. Of
// repetitions they are found for all their states at once (repeat_texts.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/guarded.h"
#include "engine/engine.h"
#include "grammar/ending.h"
#include "grammar/repeat_texts.h"
#include "grammar/rule_states.h"
#include "grammar/token_texts.h"

namespace gemma {

/** What all masks of the same rules share. */
class RulePlan {
 public:
  static constexpr size_t kMostKept = 256;  // states' texts; at 262 144 ids 32 KiB each

  /** Texts that may come at a state without what its rule goes back to. */
  struct Within {
    std::vector<uint32_t> bits;   // of those that end before the rule does, or with it
    std::vector<uint32_t> exits;  // nodes of the tree where the rule may be over, and texts go on
  };

  /** tokens: control pieces that the rules know (Automaton::bytes_of_token). */
  RulePlan(RuleTable rules, std::shared_ptr<const TokenTexts> vocabulary, std::shared_ptr<RepeatStore> store,
           std::vector<int32_t> stops, std::vector<int32_t> controls)
      : table(std::move(rules)),
        texts(std::move(vocabulary)),
        repeats(std::move(store)),
        stop_ids(std::move(stops)),
        tokens(std::move(controls)) {}

  /** Looks at the vocabulary for the repetitions of which it is known what comes behind them, so that no mask waits. */
  void prepare() const;
  std::shared_ptr<const Within> within(int state) const;
  size_t bytes() const { return table.bytes(); }

  const RuleTable table;
  const std::shared_ptr<const TokenTexts> texts;
  const std::shared_ptr<RepeatStore> repeats;
  const std::vector<int32_t> stop_ids, tokens;

 private:
  std::shared_ptr<const Within> find_within(int state) const;

  mutable Guarded<std::map<int, std::shared_ptr<const Within>>> kept_;
};

class RuleMask final : public TokenMask, public Ending {
 public:
  explicit RuleMask(std::shared_ptr<const RulePlan> plan);

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override;
  bool free() const override { return false; }
  bool nearer(std::span<uint32_t> bits) const override;

 private:
  static constexpr int kStopped = -2;  // a set behind a stop id
  static constexpr size_t kMostFilled = 8;

  int after(int set, int32_t token) const;
  int after_bytes(int set, std::span<const uint8_t> bytes) const;
  std::vector<uint32_t> bits_of(int set);
  void add_place(const RuleStates::Place& place, std::vector<uint32_t>& bits);
  void add_repeat(const RuleStates::Place& place, std::vector<uint32_t>& bits);
  void add_exit(const RepeatTexts::Exit& exit, int behind, std::vector<uint32_t>& bits);

  std::shared_ptr<const RulePlan> plan_;
  mutable RuleStates states_;
  std::vector<int> sets_;                        // at the beginning and after each token
  std::map<int, std::vector<uint32_t>> filled_;  // of the sets that came last
  /** Texts that leave a repetition, by the set behind it. */
  std::map<std::pair<std::shared_ptr<const RepeatTexts>, int>, std::vector<uint32_t>> leaving_;
};

}  // namespace gemma
