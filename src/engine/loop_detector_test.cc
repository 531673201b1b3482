// SPDX-License-Identifier: Apache-2.0
#include "engine/loop_detector.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace gemma {
namespace {

/** After how many tokens of `prefix` different ones and then a circle of `period` a loop is seen; 0: never. */
int seen_after(int prefix, int period, int limit) {
  LoopDetector detector;
  for (int i = 0; i < limit; ++i) {
    if (detector.push(i < prefix ? 1000 + i : (i - prefix) % period)) return i + 1 - prefix;
  }
  return 0;
}

TEST(LoopDetector, EveryPeriodUpTo64) {
  for (int period = 1; period <= 64; ++period) {
    for (int prefix : {0, 1, 63, 64, 200}) {
      EXPECT_EQ(seen_after(prefix, period, 3000), std::max(256, 8 * period)) << period << " after " << prefix;
    }
  }
  EXPECT_EQ(seen_after(0, 65, 5000), 0);
}

TEST(LoopDetector, OneOtherTokenBreaksTheCircle) {
  LoopDetector detector;
  for (int i = 0; i < 5000; ++i) EXPECT_FALSE(detector.push(i % 200 == 199 ? -1 : i % 4)) << i;
}

}  // namespace
}  // namespace gemma
