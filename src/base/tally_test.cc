// SPDX-License-Identifier: Apache-2.0
#include "base/tally.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace gemma {
namespace {

TEST(Tally, KeepsBothLimits) {
  Tally tally;
  EXPECT_TRUE(tally.add(1, 2, 3));
  EXPECT_TRUE(tally.add(1, 2, 3));
  EXPECT_FALSE(tally.add(1, 2, 3));  // two of a kind
  EXPECT_TRUE(tally.add(2, 2, 3));
  EXPECT_FALSE(tally.add(3, 2, 3));  // three of all
  tally.remove(1);
  EXPECT_TRUE(tally.add(3, 2, 3));
  tally.add(3);
  EXPECT_EQ(tally.all(), 4);
  tally.remove(9);  // of which there is none
  EXPECT_EQ(tally.all(), 4);
  EXPECT_FALSE(Tally().add(1, 0, 3));
}

TEST(Tally, CountsFromAnyThread) {
  Tally tally;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&tally, t] {
      for (int i = 0; i < 1000; ++i) {
        if (tally.add(t % 2, 3, 5)) tally.remove(t % 2);
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(tally.all(), 0);
}

}  // namespace
}  // namespace gemma
