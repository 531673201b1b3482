// SPDX-License-Identifier: Apache-2.0
// Guesses how a text goes on by where its end has come before, in the prompt or in the answer so far.
//
//   PromptLookup lookup;
//   lookup.extend(tokens);                    // the whole text so far; only what is new costs anything
//   lookup.add_continuation(lookup.find(), 8, guess);
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

class PromptLookup {
 public:
  static constexpr int kShortest = 2;     // tokens that must be equal
  static constexpr int kLongest = 32;     // a longer match is as good as this one
  static constexpr int kCandidates = 64;  // places looked at

  struct Match {
    int length = 0;   // tokens that are equal, at most kLongest; 0: the end is new
    int32_t end = 0;  // where the earlier place ends: the guess is what stands there
  };

  /** `tokens` begins with what it was at the last call. */
  void extend(std::span<const int32_t> tokens);
  /** The longest match among the latest places and the place of the last match, if that has guessed right since; the
   *  latest among equals. */
  Match find();
  /** Adds `count` tokens after the match, none without one. Where it reaches the end of the text, the text goes on in
   * the same circle. */
  void add_continuation(const Match& match, int count, std::vector<int32_t>& guess) const;

 private:
  int length_at(int32_t end) const;

  std::vector<int32_t> tokens_;
  std::vector<int32_t> before_{0};  // [end]: the place before that ends in the same two tokens; 0: none
  boost::unordered_flat_map<uint64_t, int32_t> latest_;  // place by two tokens
  int32_t followed_ = 0;                                 // the last match's place, moved on with the text; 0: none
};

}  // namespace gemma
