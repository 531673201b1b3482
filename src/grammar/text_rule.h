// SPDX-License-Identifier: Apache-2.0
// What a stretch of text may be, token by token: a text of some length, or of a regular expression. A rule knows places
// (numbers) in such a text; whoever walks keeps them. Immutable to its users, any number of threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "grammar/automaton.h"
#include "grammar/token_texts.h"

namespace gemma {

class TextRule {
 public:
  static constexpr int64_t kNowhere = -1;

  virtual ~TextRule() = default;
  virtual int64_t start() const = 0;
  /** Where a token leads; kNowhere where it may not come. */
  virtual int64_t after(int64_t place, int32_t token) const = 0;
  /** Sets the bits of those that may come; lets the others be. */
  virtual void allow(int64_t place, std::span<uint32_t> bits) const = 0;
  /** Whether the text may be over. Where it may not, something may come. */
  virtual bool whole(int64_t place) const = 0;
  /** Whether nothing may come any more. */
  virtual bool full(int64_t place) const = 0;
  /** Of the bits of those that may come, keeps such as bring an end nearer. */
  virtual void nearer(int64_t place, std::span<uint32_t> bits) const = 0;
  virtual size_t bytes() const = 0;
};

constexpr int64_t kAnyLength = -1;
/** Any characters, `least` to `most` of them. */
std::unique_ptr<const TextRule> length_rule(std::shared_ptr<const TokenTexts> texts, int64_t least, int64_t most);

/** Masks that took a walk over many texts, of all automata of a vocabulary together; the last few. */
class KeptMasks {
 public:
  using Mask = std::shared_ptr<const std::vector<uint32_t>>;
  using Key = std::pair<uint64_t, int>;  // an automaton, a state
  static constexpr size_t kMost = 256;   // 32 KiB each, at 262 144 ids

  uint64_t new_automaton();
  Mask find(Key key);
  void keep(Key key, Mask mask);

 private:
  struct State {
    uint64_t automata = 0;
    std::map<Key, Mask> masks;
  };
  Guarded<State> state_;
};

/** tokens: the control pieces that the automaton knows (Automaton::bytes_of_token). */
std::unique_ptr<const TextRule> automaton_rule(std::shared_ptr<const TokenTexts> texts, Automaton automaton,
                                               std::shared_ptr<KeptMasks> kept, std::vector<int32_t> tokens = {});

}  // namespace gemma
