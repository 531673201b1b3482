// SPDX-License-Identifier: Apache-2.0
#include "base/channel.h"

#include <gmock/gmock.h>

#include <memory>
#include <thread>

namespace gemma {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Channel, TakesInOrder) {
  Channel<int> channel;
  EXPECT_THAT(channel.take(), IsEmpty());
  channel.push(1);
  channel.push(2);
  channel.wait();
  EXPECT_THAT(channel.take(), ElementsAre(1, 2));
  EXPECT_THAT(channel.take(), IsEmpty());
}

TEST(Channel, AWakeUpIsNotLost) {
  Channel<int> channel;
  channel.wake();
  channel.wait();
  EXPECT_THAT(channel.take(), IsEmpty());
}

TEST(Channel, WaitingHasAnEnd) {
  Channel<int> channel;
  EXPECT_FALSE(channel.pending());
  EXPECT_FALSE(channel.wait(std::chrono::milliseconds(1)));
  EXPECT_FALSE(channel.wait(std::chrono::milliseconds(-1)));
  channel.push(1);
  EXPECT_TRUE(channel.pending());
  EXPECT_TRUE(channel.wait(std::chrono::hours(1)));
  channel.take();
  channel.wake();
  EXPECT_TRUE(channel.pending());
  EXPECT_TRUE(channel.wait(std::chrono::hours(1)));
  EXPECT_FALSE(channel.pending());
}

TEST(Channel, ManyThreadsPush) {
  Channel<std::unique_ptr<int>> channel;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&channel] {
      for (int i = 0; i < 100; ++i) channel.push(std::make_unique<int>(i));
    });
  }
  int taken = 0, sum = 0;
  while (taken < 400) {
    channel.wait();
    for (const auto& value : channel.take()) {
      ++taken;
      sum += *value;
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 4 * 4950);
}

}  // namespace
}  // namespace gemma
