// SPDX-License-Identifier: Apache-2.0
#include "serve/workers.h"

#include <gtest/gtest.h>

#include <future>

namespace gemma::serve {
namespace {

int niceness_of(Workers& workers) {
  std::promise<int> found;
  workers.post([&] { found.set_value(getpriority(PRIO_PROCESS, 0)); });
  return found.get_future().get();
}

TEST(Workers, OthersGoFirstWhereTheyAreToldSo) {
  const int usual = getpriority(PRIO_PROCESS, 0);
  Workers plain(1), nice(1, 19);
  EXPECT_EQ(niceness_of(plain), usual);
  EXPECT_EQ(niceness_of(nice), 19);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), usual) << "of the thread that made them";
}

/** Of one thread, which is held up until all of it waits. */
TEST(Workers, WhoBringsMuchHoldsUpNobodyElse) {
  std::promise<void> all_wait;
  std::string order;
  std::promise<void> over;
  Workers workers(1);
  workers.post([&] { all_wait.get_future().wait(); }, "a");
  for (int i = 0; i < 4; ++i) workers.post([&] { order += 'a'; }, "a");
  workers.post([&] { order += 'b'; }, "b");
  workers.post([&] { order += 'b'; }, "b");
  workers.post([&] { order += 'c'; }, "c");
  workers.post([&] { over.set_value(); }, "a");
  all_wait.set_value();
  over.get_future().wait();
  EXPECT_EQ(order, "bcabaaa");
}

}  // namespace
}  // namespace gemma::serve
