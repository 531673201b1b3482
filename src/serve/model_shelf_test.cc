// SPDX-License-Identifier: Apache-2.0
#include "serve/model_shelf.h"

#include <gtest/gtest.h>

#include <string>

namespace gemma::serve {
namespace {

using Do = ModelShelf::Do;
using std::chrono::seconds;

/** A shelf with a clock that stands still, of models whose size is known by their names: "a3" takes 3 bytes. */
class Shelf : public testing::Test {
 protected:
  explicit Shelf(int64_t budget = 5) : shelf_({budget, seconds(60)}) {}

  static int64_t size_of(const std::string& name) { return std::stoll(name.substr(1)); }

  /** Does what is to be done until somebody may be served or nothing is left; what was done. */
  std::string work() {
    std::string done;
    const auto note = [&](const char* what, const std::string& name) {
      done += (done.empty() ? "" : ", ") + std::string(what) + " " + name;
    };
    for (;;) {
      const ModelShelf::Step step = shelf_.next(now_);
      switch (step.what) {
        case Do::nothing:
          return done;
        case Do::serve:
          note("serve", step.name);
          return done;
        case Do::measure:
          shelf_.measured(step.name, size_of(step.name));
          break;
        case Do::load:
          shelf_.loaded(step.name, now_);
          note("load", step.name);
          break;
        case Do::unload:
          EXPECT_TRUE(shelf_.unloaded(step.name));
          note("unload", step.name);
          break;
        case Do::refuse:
          shelf_.refused(step.name);
          note("refuse", step.name);
          break;
      }
    }
  }
  /** Loads it, for whom it is then given back. */
  void use(const std::string& name) {
    shelf_.want(name);
    work();
    shelf_.forget(name);
    ASSERT_TRUE(shelf_.take(name, now_));
    now_ += seconds(1);
    shelf_.give_back(name, now_);
  }

  ModelShelf shelf_;
  ModelShelf::Time now_{};
};

TEST_F(Shelf, LoadsWhatIsAskedFor) {
  EXPECT_FALSE(shelf_.take("a2", now_));
  shelf_.want("a2");
  EXPECT_EQ(work(), "load a2, serve a2");
  shelf_.forget("a2");
  EXPECT_TRUE(shelf_.take("a2", now_));
  EXPECT_EQ(shelf_.spare(), 3);
  EXPECT_EQ(shelf_.spare(2), 1);
}

TEST_F(Shelf, WhatWasUsedLongestAgoMakesWay) {
  use("a2"), use("b2"), use("a2");
  shelf_.want("c3");
  EXPECT_EQ(work(), "unload b2, load c3, serve c3");
  EXPECT_TRUE(shelf_.is_loaded("a2"));
}

TEST_F(Shelf, NoMoreMakesWayThanIsNeeded) {
  use("a1"), use("b4");
  shelf_.want("c4");
  EXPECT_EQ(work(), "unload b4, load c4, serve c4");  // a1 was used before it, and is no help
}

TEST_F(Shelf, WhatIsUsedIsWaitedForAndTakesNoNewRequests) {
  use("a3");
  ASSERT_TRUE(shelf_.take("a3", now_));
  shelf_.want("b3");
  EXPECT_EQ(work(), "");
  EXPECT_FALSE(shelf_.take("a3", now_));
  shelf_.want("a3");
  EXPECT_EQ(work(), "");
  shelf_.give_back("a3", now_);
  EXPECT_EQ(work(), "unload a3, load b3, serve b3");
  ASSERT_TRUE(shelf_.take("b3", now_));  // who has waited for it has it before it makes way again
  shelf_.forget("b3");
  EXPECT_EQ(work(), "");
  shelf_.give_back("b3", now_);
  EXPECT_EQ(work(), "unload b3, load a3, serve a3");
}

TEST_F(Shelf, WhoLeavesIsNotWaitedFor) {
  use("a3");
  ASSERT_TRUE(shelf_.take("a3", now_));
  shelf_.want("b3");
  EXPECT_EQ(work(), "");
  shelf_.want("a3");
  shelf_.forget("b3");
  EXPECT_EQ(work(), "serve a3");  // which makes way for nobody any more
}

TEST_F(Shelf, WhatNeverFitsIsRefused) {
  use("a3");
  shelf_.want("b6");
  EXPECT_EQ(work(), "refuse b6");
  EXPECT_TRUE(shelf_.is_loaded("a3"));
}

TEST_F(Shelf, WhatNobodyAsksForIsUnloaded) {
  use("a2");
  const auto step = shelf_.next(now_);
  EXPECT_EQ(step.until, now_ + seconds(60));
  now_ += seconds(59);
  use("b2");
  EXPECT_EQ(work(), "unload a2");
  ASSERT_TRUE(shelf_.take("b2", now_));
  now_ += seconds(1000);
  EXPECT_EQ(work(), "");  // while it is used it is not idle
  shelf_.give_back("b2", now_);
  EXPECT_EQ(shelf_.next(now_).until, now_ + seconds(60));
}

TEST_F(Shelf, WhatIsKeptGoesOnlyForRoom) {
  shelf_.keep("a3");
  use("a3");
  now_ += seconds(1000);
  EXPECT_EQ(work(), "");
  shelf_.want("b3");
  EXPECT_EQ(work(), "unload a3, load b3, serve b3");
}

TEST_F(Shelf, OneStaysAsLongAsItsOwnTimeSays) {
  use("a2");
  EXPECT_TRUE(shelf_.keep("a2", seconds(5)));
  EXPECT_EQ(shelf_.goes_at("a2"), now_ + seconds(5));
  EXPECT_TRUE(shelf_.keep("a2", Clock::duration::max()));
  now_ += seconds(1000);
  EXPECT_EQ(work(), "");
  ASSERT_TRUE(shelf_.take("a2", now_));
  EXPECT_TRUE(shelf_.keep("a2", seconds(0)));
  EXPECT_EQ(work(), "");  // while it is used
  shelf_.give_back("a2", now_);
  EXPECT_EQ(work(), "unload a2");
  use("a2");
  EXPECT_EQ(work(), "");  // with the time of all again
  shelf_.keep("a2");
  EXPECT_FALSE(shelf_.keep("a2", seconds(0)));
  EXPECT_EQ(work(), "");
}

TEST_F(Shelf, OneThatWasTakenMeanwhileIsNotUnloaded) {
  use("a2");
  now_ += seconds(60);
  EXPECT_EQ(shelf_.next(now_).what, Do::unload);
  ASSERT_TRUE(shelf_.take("a2", now_));
  EXPECT_FALSE(shelf_.unloaded("a2"));
  EXPECT_TRUE(shelf_.is_loaded("a2"));
}

}  // namespace
}  // namespace gemma::serve
