// SPDX-License-Identifier: Apache-2.0
#include "serve/http/outbox.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

using Time = std::chrono::steady_clock::time_point;
constexpr Time kLate{std::chrono::seconds(100)};
constexpr Time kBefore = kLate - std::chrono::milliseconds(1);

/** An outbox of which somebody wants to know when it is late. */
class LateOutbox : public testing::Test {
 protected:
  LateOutbox() {
    outbox_.when_late(kLate, [this] {
      ++told_;
      outbox_.respond({.status = 503, .body = "late"});
    });
  }

  Outbox outbox_{1000, [](Outbox::Wake) {}};
  int told_ = 0;
};

TEST_F(LateOutbox, TellsOnceAndNotBefore) {
  outbox_.tell_late(kBefore);
  EXPECT_EQ(told_, 0);
  outbox_.tell_late(kLate);
  outbox_.tell_late(kLate);
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(outbox_.take().head->status, 503);
}

TEST_F(LateOutbox, TellsNobodyWhereThereIsAnAnswer) {
  outbox_.begin({});
  outbox_.tell_late(kLate);
  EXPECT_EQ(told_, 0);
  outbox_.when_late(kLate, [this] { ++told_; });
  outbox_.end();
  outbox_.tell_late(kLate);
  EXPECT_EQ(told_, 0);
}

TEST_F(LateOutbox, TellsNobodyWhereTheClientIsGone) {
  outbox_.leave();
  outbox_.tell_late(kLate);
  outbox_.when_late(kLate, [this] { ++told_; });
  outbox_.tell_late(kLate);
  EXPECT_EQ(told_, 0);
}

}  // namespace
}  // namespace gemma::serve
