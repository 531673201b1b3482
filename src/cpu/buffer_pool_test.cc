// SPDX-License-Identifier: Apache-2.0
#include "cpu/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

namespace gemma::cpu {
namespace {

TEST(BufferPool, LargeBuffersTakeWhatTheyHoldAndNoMore) {
  constexpr int64_t kBytes = 512 * 35 * 256 * 4;  // between two size classes
  const auto pool = std::make_shared<BufferPool>();
  for (int round = 0; round < 3; ++round) {
    const auto first = pool->take(kBytes), second = pool->take(kBytes);
    EXPECT_EQ(first->bytes(), kBytes);
    EXPECT_EQ(second->host() - first->host(), kBytes);
  }
  EXPECT_EQ(pool->large_bytes(), 2 * kBytes);
}

TEST(BufferPool, SmallBuffersOfOneClassAreUsedAgain) {
  const auto pool = std::make_shared<BufferPool>();
  const std::byte* before = pool->take(1000)->host();
  const auto again = pool->take(1020);
  EXPECT_EQ(again->host(), before);
  EXPECT_GE(again->bytes(), 1020);
  EXPECT_EQ(pool->large_bytes(), 0);
}

}  // namespace
}  // namespace gemma::cpu
