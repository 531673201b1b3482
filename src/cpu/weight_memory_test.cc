// SPDX-License-Identifier: Apache-2.0
#include "cpu/weight_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gemma::cpu {
namespace {

std::span<std::byte> bytes_of(Storage& s) { return {s.host(), static_cast<size_t>(s.bytes())}; }

TEST(WeightMemory, CutsAreApartAlignedAndAsLongAsAsked) {
  WeightMemory memory;
  std::vector<std::shared_ptr<Storage>> cuts;
  for (int64_t size : std::vector<int64_t>{1, 64, 0, 100000, 65, 70 << 20, 4096, 63}) {
    cuts.push_back(memory.take(size));
    EXPECT_EQ(cuts.back()->bytes(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(cuts.back()->host()) % 64, 0u) << size;
    std::ranges::fill(bytes_of(*cuts.back()), static_cast<std::byte>(cuts.size()));
  }
  for (size_t i = 0; i < cuts.size(); ++i) {
    const auto value = static_cast<std::byte>(i + 1);
    EXPECT_TRUE(std::ranges::all_of(bytes_of(*cuts[i]), [&](std::byte b) { return b == value; })) << i;
  }
}

TEST(WeightMemory, ANewBlockFollowsAFullOne) {
  WeightMemory memory;
  std::vector<std::shared_ptr<Storage>> cuts;
  const int64_t size = (int64_t{60} << 20) + 1;
  for (int i = 0; i < 9; ++i) {  // four to a block
    cuts.push_back(memory.take(size));
    cuts.back()->host()[0] = cuts.back()->host()[size - 1] = static_cast<std::byte>(i);
  }
  for (int i = 0; i < 9; ++i) {
    const auto value = static_cast<std::byte>(i);
    EXPECT_EQ(cuts[static_cast<size_t>(i)]->host()[0], value);
    EXPECT_EQ(cuts[static_cast<size_t>(i)]->host()[size - 1], value);
  }
}

TEST(WeightMemory, ACutOutlivesTheRest) {
  std::shared_ptr<Storage> kept;
  {
    WeightMemory memory;
    const auto other = memory.take(1000);
    kept = memory.take(1000);
    kept->host()[999] = std::byte{7};
  }
  EXPECT_EQ(kept->host()[999], std::byte{7});
}

}  // namespace
}  // namespace gemma::cpu
