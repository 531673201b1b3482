// SPDX-License-Identifier: Apache-2.0
#include "engine/prompt_lookup.h"

#include <gmock/gmock.h>

#include <random>

namespace gemma {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int32_t> guess(PromptLookup& lookup, const std::vector<int32_t>& tokens, int count) {
  lookup.extend(tokens);
  std::vector<int32_t> found;
  lookup.add_continuation(lookup.find(), count, found);
  return found;
}

std::vector<int32_t> guess(const std::vector<int32_t>& tokens, int count) {
  PromptLookup lookup;
  return guess(lookup, tokens, count);
}

TEST(PromptLookup, NothingWhereTheEndIsNew) {
  EXPECT_THAT(guess({}, 4), IsEmpty());
  EXPECT_THAT(guess({5}, 4), IsEmpty());
  EXPECT_THAT(guess({5, 6}, 4), IsEmpty());
  EXPECT_THAT(guess({5, 6, 7, 8, 9}, 4), IsEmpty());
  EXPECT_THAT(guess({1, 5, 2, 5}, 4), IsEmpty());  // one equal token is no match
}

TEST(PromptLookup, WhatCameAfterTheSameTwoTokens) {
  EXPECT_THAT(guess({5, 6, 7, 8, 9, 5, 6}, 3), ElementsAre(7, 8, 9));
  EXPECT_THAT(guess({5, 6, 7, 1, 5, 6, 8, 2, 5, 6}, 2), ElementsAre(8, 2));  // the latest
}

TEST(PromptLookup, TheLongestBeforeTheLatest) {
  EXPECT_THAT(guess({4, 5, 6, 7, 1, 9, 5, 6, 8, 2, 4, 5, 6}, 2), ElementsAre(7, 1));
}

TEST(PromptLookup, ACircleGoesOn) {
  EXPECT_THAT(guess({9, 9}, 3), IsEmpty());
  EXPECT_THAT(guess({9, 9, 9}, 3), ElementsAre(9, 9, 9));
  EXPECT_THAT(guess({1, 2, 3, 1, 2, 3, 1, 2}, 7), ElementsAre(3, 1, 2, 3, 1, 2, 3));
}

TEST(PromptLookup, FollowsAPlaceThatIsTooFarBackToBeFound) {
  std::vector<int32_t> text;
  for (int i = 0; i < 40; ++i) text.push_back(100 + i);  // what will be copied; it has "1 2" inside, too
  text[20] = 1, text[21] = 2;
  const std::vector<int32_t> original = text;
  for (int i = 0; i < 3 * PromptLookup::kCandidates; ++i) text.insert(text.end(), {1, 2, 500 + i});
  PromptLookup lookup;
  for (int32_t token : original) {
    const auto found = guess(lookup, text, 1);
    if (text.size() > 40 + 9 * PromptLookup::kCandidates + 2) {
      EXPECT_THAT(found, ElementsAre(token));
    }
    text.push_back(token);
  }
}

/** The definition, slowly: of all places whose two last tokens are those of the text, the longest, latest one. */
PromptLookup::Match slow(const std::vector<int32_t>& t) {
  PromptLookup::Match best;
  const auto n = static_cast<int>(t.size());
  for (int end = PromptLookup::kShortest; end < n; ++end) {
    int length = 0;
    while (length < std::min(end, PromptLookup::kLongest) &&
           t[static_cast<size_t>(n - 1 - length)] == t[static_cast<size_t>(end - 1 - length)]) {
      ++length;
    }
    if (length >= PromptLookup::kShortest && length >= best.length) best = {length, end};
  }
  return best;
}

TEST(PromptLookup, EqualsTheDefinitionTokenByToken) {
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    const auto ids = 2 + random() % 6;
    PromptLookup lookup;
    std::vector<int32_t> text;
    while (text.size() < 60) {  // few enough for all places to be candidates
      text.push_back(static_cast<int32_t>(random() % ids));
      if (random() % 3 == 0) continue;  // several tokens at once
      lookup.extend(text);
      const auto found = lookup.find(), expected = slow(text);
      ASSERT_EQ(found.length, expected.length) << text.size();
      ASSERT_EQ(found.end, expected.end) << text.size();
    }
  }
}

}  // namespace
}  // namespace gemma
