// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace gemma {
namespace {

TEST(Memory, FormatsBytes) {
  EXPECT_EQ(format_bytes(0), "0 bytes");
  EXPECT_EQ(format_bytes(999), "999 bytes");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(999'499'999), "999 MB");
  EXPECT_EQ(format_bytes(999'600'000), "1.0 GB");
  EXPECT_EQ(format_bytes(1'449'000'000), "1.4 GB");
  EXPECT_EQ(format_bytes(52'000'000'000'000), "52 TB");
}

TEST(Memory, ReservedAddressesTakeMemoryAsTheyAreWritten) {
  constexpr int64_t kMegabyte = int64_t{1} << 20;
  const int64_t before = process_memory().own;
  std::byte* data = reserve_memory(4096 * kMegabyte);
  ASSERT_NE(data, nullptr);
  EXPECT_LT(process_memory().own, before + 16 * kMegabyte);
  std::memset(data + 4 * kMegabyte, 1, 32 * kMegabyte);
  EXPECT_GT(process_memory().own, before + 30 * kMegabyte);
  forget_memory(data + 4 * kMegabyte + 1, 28 * kMegabyte);
  EXPECT_LT(process_memory().own, before + 16 * kMegabyte);
  EXPECT_EQ(data[4 * kMegabyte], std::byte{1});  // its page is not wholly within
  EXPECT_EQ(data[16 * kMegabyte], std::byte{0});
  EXPECT_EQ(data[34 * kMegabyte], std::byte{1});
  give_back_memory(data, 4096 * kMegabyte);
}

TEST(Memory, BlocksOfAnySize) {
  for (const int64_t bytes : std::initializer_list<int64_t>{0, 1, 1000, (1 << 20) - 1, 1 << 20, 5'000'001}) {
    std::byte* data = take_memory(bytes);
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
    std::fill_n(data, bytes, std::byte{7});
    give_back_memory(data, bytes);
  }
  EXPECT_EQ(take_memory(int64_t{1} << 60), nullptr);
}

TEST(Memory, SomeIsAvailableAndAllOfItIsNot) {
  EXPECT_GT(available_memory(), 1'000'000);
  EXPECT_LT(available_memory(), int64_t{1} << 50);
  require_memory("model", "a little", 1000);
  EXPECT_THAT([] { require_memory("m.gguf", "the model", std::numeric_limits<int64_t>::max()); },
              testing::ThrowsMessage<Error>(
                  testing::StartsWith("m.gguf: not enough memory for the model: needed 9223372 TB, found ")));
}

TEST(Memory, ReadsSizes) {
  EXPECT_EQ(parse_bytes("3GB"), 3'000'000'000);
  EXPECT_EQ(parse_bytes("2.5GiB"), int64_t{5} << 29);
  EXPECT_EQ(parse_bytes("800MB"), 800'000'000);
  EXPECT_EQ(parse_bytes("64kB"), 64'000);
  EXPECT_EQ(parse_bytes("1"), 1);
  EXPECT_EQ(parse_bytes("100%"), total_memory());
  EXPECT_EQ(parse_bytes("50%"), total_memory() / 2);
  for (const char* text :
       {"", "GB", "0", "0GB", "-1GB", "3 GB", "3GBs", "3gb", "101%", "nan", "inf", "1e9", "9999999TB", "0.5", "+3GB"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(Memory, ALimitOfOurOwn) {
  const int64_t own = process_memory().own;
  limit_memory(own + 50'000'000, "--memory small");
  EXPECT_LE(available_memory(), 50'000'000);
  EXPECT_GT(available_memory(), 25'000'000);
  EXPECT_THAT([] { require_memory("m.gguf", "weights", 60'000'000); },
              testing::ThrowsMessage<Error>(testing::MatchesRegex(
                  "m.gguf: not enough memory for weights: needed 60 MB, found [0-9]+ MB \\(--memory small, less "
                  "[0-9.]+ [kM]B in use\\)")));
  limit_memory(1, "--memory 1");
  EXPECT_EQ(available_memory(), 0);
  limit_memory(0, "");
  EXPECT_GT(available_memory(), 60'000'000);
  EXPECT_GE(total_memory(), available_memory());
}

TEST(Memory, SaysWhatTheProcessHolds) {
  const ProcessMemory before = process_memory();
  constexpr int64_t kBytes = int64_t{64} << 20;
  std::byte* data = take_memory(kBytes);
  ASSERT_NE(data, nullptr);
  std::memset(data, 1, kBytes);
  const ProcessMemory with = process_memory();
  give_back_memory(data, kBytes);
  const ProcessMemory after = process_memory();
  EXPECT_GT(with.own, before.own + kBytes * 3 / 4);
  EXPECT_LT(after.own, with.own - kBytes * 3 / 4);
  EXPECT_GE(after.peak, with.own);
  forget_peak_memory();
  EXPECT_LT(process_memory().peak, after.peak - kBytes / 2);
  EXPECT_GT(after.file, 0);
}

}  // namespace
}  // namespace gemma
