// SPDX-License-Identifier: Apache-2.0
#include "engine/thought_budget.h"

#include <gtest/gtest.h>

#include <array>

namespace gemma {
namespace {

TEST(ThoughtBudget, ClosesAThoughtThatGrowsTooLong) {
  ThoughtBudget mask(2, 40, 41);
  std::array<uint32_t, 2> bits{};
  for (int32_t token : {7, 7, 7, 40, 7}) {
    EXPECT_TRUE(mask.free());
    EXPECT_TRUE(mask.accept(token));
  }
  mask.fill(bits);
  EXPECT_EQ(bits[0] & bits[1], ~uint32_t{0});
  EXPECT_TRUE(mask.accept(7));
  EXPECT_FALSE(mask.free());
  mask.fill(bits);
  EXPECT_EQ(bits[0], 0u);
  EXPECT_EQ(bits[1], uint32_t{1} << 9);
  EXPECT_FALSE(mask.accept(7));
  EXPECT_TRUE(mask.accept(41));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(mask.accept(7));
  mask.rollback(11);
  EXPECT_FALSE(mask.free());
}

TEST(ThoughtBudget, AThoughtMayBeginInThePrompt) {
  ThoughtBudget mask(1, 40, 41, true);
  EXPECT_TRUE(mask.free());
  EXPECT_TRUE(mask.accept(5));
  EXPECT_FALSE(mask.free());
}

}  // namespace
}  // namespace gemma
