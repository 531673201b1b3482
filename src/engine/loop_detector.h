// SPDX-License-Identifier: Apache-2.0
// Notices an answer that goes round in a circle: its last tokens are up to 64 tokens over and over, at least 8 times
// and for at least 256 tokens.
#pragma once

#include <array>
#include <cstdint>

namespace gemma {

class LoopDetector {
 public:
  static constexpr int kLongest = 64, kTimes = 8, kTokens = 256;

  /** The next token of the answer; true when it closes a loop. */
  bool push(int32_t token);

 private:
  std::array<int32_t, kLongest> last_{};   // a ring
  std::array<int32_t, kLongest> equal_{};  // [p - 1]: for how many tokens each has been equal to the one p before it
  int64_t count_ = 0;
};

}  // namespace gemma
