// SPDX-License-Identifier: Apache-2.0
#include "engine/draft_length.h"

#include <gmock/gmock.h>

#include <cmath>

namespace gemma {
namespace {

using testing::Each;
using testing::ElementsAre;

/** Steps that take 1 s up to six rows, and another for each six rows more. */
StepCost in_tiles(int most = StepCost::kMostRows) {
  StepCost cost;
  for (int rows = 1; rows <= most; ++rows) cost.measured(rows, 1, (rows + 5) / 6);
  return cost;
}

Guesses guesses_of(double odds, int length, double seconds_each = 0) {
  Guesses guesses;
  std::fill_n(guesses.odds.begin(), length, odds);
  guesses.count = length;
  guesses.seconds_each = seconds_each;
  return guesses;
}

std::vector<Guesses> alike(int sequences, double odds, int length, double seconds_each = 0) {
  return std::vector<Guesses>(static_cast<size_t>(sequences), guesses_of(odds, length, seconds_each));
}

std::vector<int> draft_lengths(const std::vector<Guesses>& sequences, const StepCost& cost, int most) {
  static DraftLengths lengths;  // one for all: what was before leaves no trace
  const std::span<const int> best = lengths.fastest(sequences, cost, most);
  return {best.begin(), best.end()};
}

std::vector<int> likely_lengths(const std::vector<Guesses>& sequences, int most) {
  static DraftLengths lengths;
  const std::span<const int> best = lengths.likely(sequences, most);
  return {best.begin(), best.end()};
}

TEST(GuessOdds, GradesRiseWithTheMatchAndFallWithTheDepth) {
  EXPECT_EQ(GuessOdds::lookup_grade(2), 0);
  EXPECT_EQ(GuessOdds::lookup_grade(8), GuessOdds::lookup_grade(5));
  EXPECT_EQ(GuessOdds::lookup_grade(1000), GuessOdds::kLookupGrades - 1);
  EXPECT_EQ(GuessOdds::drafter_grade(0), GuessOdds::kLookupGrades);
  EXPECT_EQ(GuessOdds::drafter_grade(1000), GuessOdds::kGrades - 1);
  const GuessOdds odds;
  for (int i = 1; i < GuessOdds::kLookupGrades; ++i) EXPECT_GT(odds.of(i), odds.of(i - 1));
  for (int i = 1; i < GuessOdds::kDrafterGrades; ++i) {
    EXPECT_LT(odds.of(GuessOdds::drafter_grade(i)), odds.of(GuessOdds::drafter_grade(i - 1)));
  }
}

TEST(GuessOdds, LearnsAndForgets) {
  GuessOdds odds;
  const double before = odds.of(2);
  for (int i = 0; i < 30; ++i) odds.saw(2, false);
  EXPECT_LT(odds.of(2), 0.03);
  EXPECT_EQ(odds.of(3), GuessOdds().of(3));  // grades know nothing of each other
  for (int i = 0; i < 30; ++i) odds.saw(2, true);
  EXPECT_GT(odds.of(2), 0.9);
  for (int i = 0; i < 1000; ++i) odds.forget(2);
  EXPECT_NEAR(odds.of(2), before, 1e-3);
}

TEST(StepCost, WhatIsNotMeasuredCostsALittleMore) {
  StepCost cost;
  EXPECT_FALSE(cost.knows(1));
  cost.measured(1, 1, 2.0);
  EXPECT_TRUE(cost.knows(1));
  EXPECT_DOUBLE_EQ(cost.seconds(1, 1), 2.0);
  EXPECT_GT(cost.seconds(2, 1), 2.0);
  EXPECT_LT(cost.seconds(2, 1), 2.3);
  cost.measured(3, 1, 5.0);
  EXPECT_LT(cost.seconds(2, 1), 2.3);
  EXPECT_DOUBLE_EQ(cost.seconds(3, 1), 5.0);
  EXPECT_GT(cost.seconds(4, 1), 5.0);
  cost.measured(5, 1, 4.0);  // more rows do not take less: that was luck
  EXPECT_DOUBLE_EQ(cost.seconds(5, 1), 5.0);
}

TEST(StepCost, FollowsWhatItSeesAndForgetsWhatItDoesNot) {
  StepCost cost;
  cost.measured(1, 1, 1.0);
  cost.measured(1, 1, 100.0);  // held up
  EXPECT_LT(cost.seconds(1, 1), 2.0);
  for (int i = 0; i < 30; ++i) cost.measured(1, 1, 3.0);
  EXPECT_NEAR(cost.seconds(1, 1), 3.0, 0.05);
  cost.measured(4, 1, 30.0);
  EXPECT_NEAR(cost.seconds(4, 1), 30.0, 1e-9);
  for (int i = 0; i < 100; ++i) cost.measured(1, 1, 3.0);
  EXPECT_LT(cost.seconds(4, 1), 4.5);
  cost.measured(StepCost::kMostRows + 1, 1, 1.0);  // not kept
  EXPECT_FALSE(cost.knows(StepCost::kMostRows + 1));
}

TEST(StepCost, OneNumberOfRowsTellsOfOthers) {
  StepCost cost;
  cost.measured(1, 1, 1.0);
  const double before = cost.seconds(8, 1);
  for (int i = 0; i < 30; ++i) cost.measured(2, 1, 1.5);
  EXPECT_GT(cost.seconds(8, 1), 4.0);
  for (int i = 0; i < 10000; ++i) cost.measured(1, 1, 1.0);
  EXPECT_NEAR(cost.seconds(8, 1), before, 0.01);  // perhaps it is so no more
}

TEST(GuessBalance, BoundsWhatIsLost) {
  GuessBalance balance;
  double lost = 0;
  for (int step = 1; step <= 10000; ++step) {
    const double cost = balance.allows() ? 0.2 : 0;
    balance.add(cost, 0);
    lost += cost;
    ASSERT_LE(lost, 0.5 + 0.011 * step);
  }
  EXPECT_GT(lost, 90);  // and it goes on trying
}

TEST(GuessBalance, WhatIsWonIsNotAllLostAgain) {
  GuessBalance balance;
  for (int i = 0; i < 1000; ++i) balance.add(0.2, 4);
  double lost = 0;
  for (; balance.allows(); lost += 0.2) balance.add(0.2, 0);
  EXPECT_LT(lost, 80);
}

TEST(DraftLengths, NoneWithoutAMeasureOrAChance) {
  EXPECT_THAT(draft_lengths(alike(1, 0.99, 8), StepCost(), 100), ElementsAre(0));
  EXPECT_THAT(draft_lengths(alike(1, 0.0, 8), in_tiles(), 100), ElementsAre(0));
  EXPECT_THAT(draft_lengths(alike(1, 0.02, 8), in_tiles(), 100), ElementsAre(0));  // too little to be sure of
  EXPECT_THAT(draft_lengths(alike(2, 0.9, 0), in_tiles(), 100), ElementsAre(0, 0));
  EXPECT_THAT(draft_lengths(alike(1, 0.9, 8), in_tiles(), 0), ElementsAre(0));
  EXPECT_TRUE(draft_lengths({}, in_tiles(), 10).empty());
}

TEST(DraftLengths, FillTilesThatAreWorthIt) {
  EXPECT_THAT(draft_lengths(alike(1, 0.5, 15), in_tiles(), 100), ElementsAre(5));
  EXPECT_THAT(draft_lengths(alike(1, 0.99, 15), in_tiles(), 100), ElementsAre(5));  // 2 s for 11.5: less a second
  EXPECT_THAT(draft_lengths(alike(1, 0.5, 15), in_tiles(), 3), ElementsAre(3));
  EXPECT_THAT(draft_lengths(alike(3, 0.5, 15), in_tiles(), 100), ElementsAre(1, 1, 1));
}

TEST(DraftLengths, TheBestPlaceInALongRangeIsTheBestOfAll) {
  StepCost cost;  // a row more costs a tenth of a step
  for (int rows = 1; rows <= 20; ++rows) cost.measured(rows, 1, 1 + 0.1 * (rows - 1));
  for (double odds : {0.05, 0.3, 0.6, 0.9, 0.98}) {
    int best = 0;
    double rate = 1.03;
    for (int k = 1; k <= 15; ++k) {
      const double tokens = (1 - std::pow(odds, k + 1)) / (1 - odds);
      if (tokens / (1 + 0.1 * k) <= rate) continue;
      rate = tokens / (1 + 0.1 * k);
      best = k;
    }
    EXPECT_THAT(draft_lengths(alike(1, odds, 15), cost, 100), ElementsAre(best)) << odds;
  }
}

TEST(DraftLengths, TheLikelierSequenceGetsMore) {
  auto guesses = alike(2, 0.9, 15);
  guesses[0] = guesses_of(0.2, 15);
  StepCost cost = in_tiles();
  EXPECT_THAT(draft_lengths(guesses, cost, 100), ElementsAre(0, 4));
}

TEST(DraftLengths, MakingGuessesCosts) {
  EXPECT_THAT(draft_lengths(alike(1, 0.5, 8, 0.6), in_tiles(), 100), ElementsAre(0));
  const auto some = draft_lengths(alike(1, 0.8, 8, 0.2), in_tiles(), 100);
  EXPECT_GT(some[0], 0);
  EXPECT_LT(some[0], 5);
}

TEST(DraftLengths, MoreSequencesThanAreMeasuredGetNone) {
  EXPECT_THAT(draft_lengths(alike(StepCost::kMostRows + 5, 0.9, 4), in_tiles(), 1000), Each(0));
  const auto nearly = draft_lengths(alike(StepCost::kMostRows - 1, 0.9, 4), in_tiles(), 1000);
  EXPECT_LE(*std::max_element(nearly.begin(), nearly.end()), 1);
}

TEST(LikelyLengths, AllThatAreRightMoreOftenThanNot) {
  EXPECT_THAT(likely_lengths(alike(2, 0.8, 15), 100), ElementsAre(3, 3));  // 0.8^3 = 0.51
  EXPECT_THAT(likely_lengths(alike(2, 0.8, 15), 3), ElementsAre(2, 1));
  EXPECT_THAT(likely_lengths(alike(1, 0.4, 15), 100), ElementsAre(0));
}

}  // namespace
}  // namespace gemma
