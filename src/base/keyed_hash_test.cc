// SPDX-License-Identifier: Apache-2.0
#include "base/keyed_hash.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace gemma {
namespace {

/** The key of the paper's examples. */
constexpr HashKey kKey{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

std::vector<std::byte> counting(size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

TEST(KeyedHash, ThePapersVectors) {
  EXPECT_EQ(keyed_hash(counting(0), kKey), 0x726fdb47dd0e0e31ULL);
  EXPECT_EQ(keyed_hash(counting(1), kKey), 0x74f839c593dc67fdULL);
  EXPECT_EQ(keyed_hash(counting(8), kKey), 0x93f5f5799a932462ULL);
  EXPECT_EQ(keyed_hash(counting(15), kKey), 0xa129ca6149be45e5ULL);
}

TEST(KeyedHash, OtherKeysAndLengthsGiveOthers) {
  std::set<uint64_t> seen;
  for (size_t size = 0; size < 300; ++size) {
    seen.insert(keyed_hash(counting(size), kKey));
    seen.insert(keyed_hash(counting(size), {1, 2}));
  }
  EXPECT_EQ(seen.size(), 600U);
  EXPECT_EQ(process_hash_key(), process_hash_key());
  const HashKey drawn = process_hash_key();
  use_hash_key(kKey);
  EXPECT_EQ(process_hash_key(), kKey);
  use_hash_key(drawn);
}

}  // namespace
}  // namespace gemma
