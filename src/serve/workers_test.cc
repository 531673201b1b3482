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

}  // namespace
}  // namespace gemma::serve
