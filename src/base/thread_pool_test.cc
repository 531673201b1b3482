// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"

namespace gemma {
namespace {

TEST(ThreadPool, EveryElementIsVisitedOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (int64_t n : {0, 1, 2, 5, 100, 1001}) {
      for (int64_t grain : {1, 10, 2000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
        const auto mark = [&](int64_t begin, int64_t end) {
          ASSERT_LT(begin, end);
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        };
        pool.parallel_for(n, grain, mark);
        pool.parallel_claim(n, grain, mark);
        for (const auto& count : seen) ASSERT_EQ(count, 2);
      }
    }
  }
}

TEST(ThreadPool, SharesRunOnSeveralThreads) {
  ThreadPool pool(2);
  std::atomic<int> arrived{0};
  pool.parallel_for(2, 1, [&](int64_t, int64_t) {  // each waits for the other: one thread alone would hang
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
}

TEST(ThreadPool, WhoIsDoneTakesFromTheOthersShare) {
  ThreadPool pool(2);
  std::atomic<bool> helped{false};
  pool.parallel_for(64, 1, [&](int64_t begin, int64_t end) {
    if (begin == 0) {  // waits for the other worker, which alone can come to the end of this one's share
      while (!helped) std::this_thread::yield();
    } else if (end == 32) {
      helped = true;
    }
  });
  EXPECT_TRUE(helped);
}

TEST(ThreadPool, AShareOfOneElementStaysItsWorkers) {
  ThreadPool pool(3);
  for (int i = 0; i < 200; ++i) {
    std::mutex mutex;
    std::set<std::thread::id> seen;
    pool.parallel_for(3, 1, [&](int64_t, int64_t) {
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(seen.insert(std::this_thread::get_id()).second);
    });
    EXPECT_EQ(seen.size(), 3u);
  }
}

TEST(ThreadPool, AnErrorReachesTheCallerAndThePoolGoesOn) {
  ThreadPool pool(3);
  EXPECT_THAT(
      [&] {
        pool.parallel_for(3, 1, [](int64_t begin, int64_t) {
          if (begin == 2) fail("share", "two");
        });
      },
      testing::ThrowsMessage<Error>("share: two"));
  std::atomic<int64_t> sum{0};
  pool.parallel_for(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 100);
}

TEST(ThreadPool, ManyShortLoopsAfterASleep) {
  ThreadPool pool(2);
  std::atomic<int64_t> sum{0};
  for (int i = 0; i < 2000; ++i) {
    if (i % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // workers fall asleep
    pool.parallel_for(2, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  }
  EXPECT_EQ(sum, 4000);
}

TEST(ThreadPool, CountsCores) { EXPECT_GE(physical_cores(), 1); }

}  // namespace
}  // namespace gemma
