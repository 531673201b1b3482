// SPDX-License-Identifier: Apache-2.0
// What of a vocabulary may come in a repetition, for every number of times that are left at once: the letters of a
// string, most of all. One walk over all texts tells how many parts each begins.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "grammar/automaton.h"
#include "grammar/token_texts.h"

namespace gemma {

/** Bytes that may come behind the repetition. */
using ByteSet = std::bitset<256>;

/** Of a repetition in which one part has come to a state. */
struct RepeatTexts {
  /** Texts that stay in the repetition, of which at most so many parts begin (the one that is open among them). */
  std::vector<std::vector<uint32_t>> up_to;
  struct Exit {
    uint32_t node;   // of TokenTexts::tree(), the byte behind the repetition
    uint32_t parts;  // that are whole before it
  };
  std::vector<Exit> exits;
  uint32_t most_parts = 0;  // of an exit
};

/** Keeps the last few. Any number of threads. */
class RepeatStore {
 public:
  static constexpr size_t kMost = 32;  // a megabyte each, at most

  explicit RepeatStore(std::shared_ptr<const TokenTexts> texts) : texts_(std::move(texts)) {}

  std::shared_ptr<const RepeatTexts> get(const std::shared_ptr<const Automaton>& part, int within,
                                         const ByteSet& behind);

 private:
  struct Kept {
    std::shared_ptr<const Automaton> part;
    int within;
    ByteSet behind;
    std::shared_ptr<const RepeatTexts> texts;
  };
  std::shared_ptr<const RepeatTexts> make(const Automaton& part, int within, const ByteSet& behind) const;

  std::shared_ptr<const TokenTexts> texts_;
  Guarded<std::vector<Kept>> kept_;
};

}  // namespace gemma
