// SPDX-License-Identifier: Apache-2.0
#include "cpu/buffer_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "cpu/buffer_pool.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

TEST(BufferRange, TakesTheLowestGapThatIsLongEnough) {
  BufferRange range(64 * kMegabyte);
  std::byte* a = range.take(3 * kMegabyte);
  std::byte* b = range.take(2 * kMegabyte);
  std::byte* c = range.take(5 * kMegabyte);
  EXPECT_EQ(b, a + 3 * kMegabyte);
  EXPECT_EQ(c, b + 2 * kMegabyte);
  range.give_back(a, 3 * kMegabyte);
  range.give_back(b, 2 * kMegabyte);
  EXPECT_EQ(range.take(4 * kMegabyte), a);                  // both gaps are one
  EXPECT_EQ(range.take(2 * kMegabyte), c + 5 * kMegabyte);  // too long for what is left of it
  EXPECT_EQ(range.take(kMegabyte - 63), a + 4 * kMegabyte);
}

TEST(BufferRange, IsFullAndNotFullAgain) {
  BufferRange range(4 * kMegabyte);
  std::byte* all = range.take(4 * kMegabyte);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(range.take(1), nullptr);
  range.give_back(all, 4 * kMegabyte);
  EXPECT_EQ(range.take(4 * kMegabyte + 1), nullptr);
  EXPECT_EQ(range.take(4 * kMegabyte), all);
}

TEST(BufferRange, BuffersOfAnyOrderNeverOverlap) {
  struct Taken {
    std::byte* data;
    int64_t bytes;
    int mark;
  };
  BufferRange range(256 * kMegabyte);
  std::vector<Taken> alive;
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    if (alive.size() < 20 && random() % 2 == 0) {
      const auto bytes = static_cast<int64_t>(random() % 300'000 + 1);
      std::byte* data = range.take(bytes);
      ASSERT_NE(data, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
      std::memset(data, i % 251, static_cast<size_t>(bytes));
      alive.push_back({data, bytes, i % 251});
    } else if (!alive.empty()) {
      const size_t at = random() % alive.size();
      const Taken t = alive[at];
      ASSERT_TRUE(std::all_of(t.data, t.data + t.bytes, [&](std::byte b) { return b == std::byte(t.mark); }));
      range.give_back(t.data, t.bytes);
      alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (i % 100 == 0) range.trim();
  }
  EXPECT_LT(range.held_bytes(), 8 * kMegabyte);  // 20 buffers of 150 kB on average, and their gaps
}

TEST(BufferRange, TrimmingKeepsWhatWasInUseSinceTheLastTime) {
  BufferRange range(64 * kMegabyte);
  std::byte* low = range.take(2 * kMegabyte);
  std::byte* high = range.take(30 * kMegabyte);
  std::memset(low, 1, 2 * kMegabyte);
  std::memset(high, 1, 30 * kMegabyte);
  range.give_back(high, 30 * kMegabyte);
  range.trim();
  EXPECT_EQ(range.held_bytes(), 32 * kMegabyte);
  range.trim();
  EXPECT_EQ(range.held_bytes(), 2 * kMegabyte);
  EXPECT_EQ(low[kMegabyte], std::byte{1});
  high = range.take(30 * kMegabyte);
  EXPECT_EQ(high[4 * kMegabyte], std::byte{0});  // a page of the system's
}

TEST(BufferPool, MemoryOfAPromptGoesBackDuringALongAnswer) {
  const auto pool = std::make_shared<BufferPool>();
  pool->take(50 * kMegabyte);
  EXPECT_GE(pool->large_bytes(), 50 * kMegabyte);
  for (int i = 0; i < 200'000; ++i) pool->take(i % 100 == 0 ? 2 * kMegabyte : 1000);
  EXPECT_LT(pool->large_bytes(), 4 * kMegabyte);
}

}  // namespace
}  // namespace gemma::cpu
