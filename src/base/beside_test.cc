// SPDX-License-Identifier: Apache-2.0
#include "base/beside.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "base/error.h"

namespace gemma {
namespace {

TEST(Beside, IsMadeWhileItsOwnerGoesOn) {
  std::atomic<bool> went_on{false};
  Beside<std::unique_ptr<int>> seven([&] {
    while (!went_on) continue;  // for ever, were it made by the owner's thread
    return std::make_unique<int>(7);
  });
  went_on = true;
  EXPECT_EQ(*seven.get(), 7);
}

TEST(Beside, WhatMakingItThrewIsThrownWhereItIsWanted) {
  Beside<int> fails([]() -> int { fail("tokens", "expected {}, found {}", 1, 2); });
  EXPECT_THROW(fails.get(), Error);
}

TEST(Beside, WhatNobodyGetsIsWaitedFor) {
  std::atomic<bool> made{false};
  {
    const Beside<int> three([&] { return made = true, 3; });
  }
  EXPECT_TRUE(made);
}

}  // namespace
}  // namespace gemma
