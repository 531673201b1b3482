// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace gemma {
namespace {

TEST(Random, IsAFunctionOfItsKey) {
  static_assert(keyed_bits(1, 2, 3) == keyed_bits(1, 2, 3));
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (uint64_t a = 0; a < 20; ++a)
      for (uint64_t b = 0; b < 20; ++b) seen.insert(keyed_bits(seed, a, b));
  EXPECT_EQ(seen.size(), 8000u);
}

TEST(Random, TheOuterWordsGiveNeitherZeroNorOne) {
  static_assert(open_uniform(0) > 0);
  static_assert(open_uniform(~uint64_t{0}) < 1);
}

TEST(Random, UniformsAreOpenAndUniform) {
  double sum = 0, squares = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double u = keyed_uniform(7, static_cast<uint64_t>(i), 1);
    ASSERT_GT(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kCount, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 0.005);
}

}  // namespace
}  // namespace gemma
