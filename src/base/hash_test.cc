// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <vector>

namespace gemma {
namespace {

TEST(Hash, EveryByteLengthAndSeedCounts) {
  std::set<uint64_t> seen;
  size_t made = 0;
  for (size_t length = 0; length < 40; ++length) {
    std::vector<std::byte> bytes(length);
    ++made, seen.insert(hash_bytes(bytes));
    ++made, seen.insert(hash_bytes(bytes, 1));
    for (size_t at = 0; at < length; ++at) {
      for (const int bit : {0, 7}) {
        bytes[at] = static_cast<std::byte>(1 << bit);
        ++made, seen.insert(hash_bytes(bytes));
      }
      bytes[at] = std::byte{0};
    }
  }
  EXPECT_EQ(seen.size(), made);
}

/** A bit of the input turns about half of the bits of the hash. */
TEST(Hash, MixesWell) {
  std::vector<std::byte> bytes(64);
  const uint64_t before = hash_bytes(bytes);
  for (size_t bit = 0; bit < 512; ++bit) {
    bytes[bit / 8] = static_cast<std::byte>(1U << bit % 8);
    const int turned = std::popcount(before ^ hash_bytes(bytes));
    EXPECT_GT(turned, 10) << bit;
    EXPECT_LT(turned, 54) << bit;
    bytes[bit / 8] = std::byte{0};
  }
}

}  // namespace
}  // namespace gemma
