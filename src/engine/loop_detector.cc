// SPDX-License-Identifier: Apache-2.0
#include "engine/loop_detector.h"

#include <algorithm>

namespace gemma {

bool LoopDetector::push(int32_t token) {
  bool loop = false;
  for (int period = 1; period <= kLongest && period <= count_; ++period) {
    int32_t& equal = equal_[static_cast<size_t>(period - 1)];
    equal = last_[static_cast<size_t>((count_ - period) % kLongest)] == token ? equal + 1 : 0;
    loop = loop || equal + period >= std::max(kTokens, kTimes * period);
  }
  last_[static_cast<size_t>(count_ % kLongest)] = token;
  ++count_;
  return loop;
}

}  // namespace gemma
