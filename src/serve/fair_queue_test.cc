// SPDX-License-Identifier: Apache-2.0
#include "serve/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace gemma::serve {
namespace {

/** Does the next thing; what it is. */
int do_next(FairQueue<int>& queue) {
  const auto taken = queue.take();
  if (!taken) return -1;
  queue.done(taken->first);
  return taken->second;
}

TEST(FairQueue, OneKeysWorkIsDoneInItsOrder) {
  FairQueue<int> queue;
  EXPECT_TRUE(queue.empty());
  for (int i = 0; i < 3; ++i) queue.add("a", i);
  EXPECT_FALSE(queue.empty());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(do_next(queue), i);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(do_next(queue), -1);
}

TEST(FairQueue, WhoComesWaitsForWhatIsBeingDoneAlone) {
  FairQueue<int> queue;
  for (int i = 0; i < 10; ++i) queue.add("many", i);
  EXPECT_EQ(queue.take()->second, 0);  // on two threads
  EXPECT_EQ(queue.take()->second, 1);
  queue.add("one", 100);
  queue.done("many");
  EXPECT_EQ(queue.take()->second, 100) << "not the next of who has another being done";
  queue.done("many");
  EXPECT_EQ(queue.take()->second, 2);
}

TEST(FairQueue, WhoComesAgainAndAgainHoldsUpNobody) {
  FairQueue<int> queue;
  for (int i = 0; i < 10; ++i) queue.add("many", i);
  std::string order;
  for (int i = 0; i < 12; ++i) {
    const std::string other = i % 2 == 0 ? "x" : "y";  // one of them always waits
    queue.add(other, 100);
    order += do_next(queue) < 100 ? 'm' : 'o';
  }
  EXPECT_GE(std::count(order.begin(), order.end(), 'm'), 4) << order;
}

TEST(FairQueue, KeysThatHaveMuchTakeTurns) {
  FairQueue<int> queue;
  for (int i = 0; i < 2; ++i) {
    for (int key = 0; key < 3; ++key) queue.add(std::to_string(key), 10 * i + key);
  }
  for (const int expected : {0, 1, 2, 10, 11, 12}) EXPECT_EQ(do_next(queue), expected);
}

}  // namespace
}  // namespace gemma::serve
