// SPDX-License-Identifier: Apache-2.0
#include "serve/model_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <utility>

namespace gemma::serve {
namespace {

using testing::HasSubstr;
using Model = ModelRegistry::Model;

/** Models that are nothing, 3 bytes each; "broken" is not loaded. */
class Registry : public testing::Test {
 protected:
  Registry() : models_(std::make_unique<ModelRegistry>(source(), ModelShelf::Options{5, std::nullopt})) {
    models_->scan();
  }

  ModelSource source() {
    ModelSource source;
    source.list = [this] {
      const std::lock_guard lock(mutex_);
      std::vector<ModelCard> cards;
      for (const std::string& name : names_) {
        if (name == "gone") fail("models", "cannot be looked through");
        cards.push_back({.name = name});
      }
      return cards;
    };
    source.least_bytes = [](const ModelCard& card) { return card.name == "large" ? 6 : 3; };
    source.load = [this](const ModelCard& card, int64_t) {
      if (card.name == "slow") loading_.set_value(), gate_.get_future().wait();
      if (card.name == "broken") fail("broken.gguf", "is no model");
      ++there_;
      const auto fake = std::shared_ptr<int>(new int(0), [this](const int* gone) {
        --there_;
        delete gone;
        if (when_unloaded_) std::exchange(when_unloaded_, {})();
      });
      return Model(fake, reinterpret_cast<ServedModel*>(fake.get()));  // never looked into
    };
    source.limit = [](ServedModel&, int64_t) {};
    return source;
  }

  std::future<Result<Model>> want(const std::string& name) {
    auto found = std::make_shared<std::promise<Result<Model>>>();
    ticket_ = models_->ticket();
    EXPECT_TRUE(models_->want(name, ticket_, [found](Result<Model> result) { found->set_value(std::move(result)); }));
    return found->get_future();
  }

  std::mutex mutex_;
  std::vector<std::string> names_{"a", "b", "broken", "large", "slow"};
  std::atomic<int> there_{0};
  std::promise<void> loading_, gate_;  // of "slow": it has begun; it may end
  std::function<void()> when_unloaded_;
  int64_t ticket_ = 0;  // of who came last
  std::unique_ptr<ModelRegistry> models_;
};

TEST_F(Registry, OneMakesWayForAnotherWhenItIsGivenBack) {
  Model a = want("a").get().value();
  EXPECT_EQ(there_, 1);
  Model again = models_->take("a");
  EXPECT_TRUE(again);
  auto b = want("b");
  EXPECT_EQ(b.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  EXPECT_FALSE(models_->take("a"));
  a.reset();
  again.reset();
  EXPECT_TRUE(b.get());
  EXPECT_EQ(there_, 1);  // never both
  const auto state = models_->find("a");
  EXPECT_FALSE(state->loaded);
  EXPECT_EQ(state->loads, 1);
  EXPECT_EQ(state->unloads, 1);
}

TEST_F(Registry, WhyOneIsNotLoadedIsSaidAndTheNextTriesAgain) {
  for (int i = 0; i < 2; ++i) {
    const auto found = want("broken").get();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.failure().reason, "'broken' cannot be loaded: broken.gguf: is no model");
  }
  EXPECT_THAT(want("large").get().failure().reason, HasSubstr("needed 6 bytes, found 5 bytes"));
  EXPECT_TRUE(want("a").get());
}

TEST_F(Registry, WhoLeavesIsNotCalled) {
  auto slow = want("slow");
  const int64_t first = ticket_;
  auto other = want("slow");
  EXPECT_TRUE(models_->forget(first));
  EXPECT_FALSE(models_->forget(first));  // nothing is there to forget
  gate_.set_value();
  EXPECT_TRUE(other.get());
  EXPECT_FALSE(models_->forget(ticket_));
  EXPECT_THROW(slow.get(), std::future_error);
}

TEST_F(Registry, WhoIsCalledHasNotLeftAndTheOtherWayRound) {
  for (int i = 0; i < 200; ++i) {
    auto found = want("a");
    const bool left = models_->forget(ticket_);
    bool called = true;
    try {
      EXPECT_TRUE(found.get());
    } catch (const std::future_error&) {
      called = false;
    }
    EXPECT_NE(left, called);
  }
}

TEST_F(Registry, AModelThatNobodyWaitsForAnyMoreIsLoadedAllTheSame) {
  auto slow = want("slow");
  loading_.get_future().wait();
  EXPECT_TRUE(models_->forget(ticket_));
  gate_.set_value();
  EXPECT_TRUE(want("slow").get());
  EXPECT_EQ(models_->find("slow")->loads, 1);
}

TEST_F(Registry, NoMoreWaitThanMay) {
  auto slow = want("slow");
  const auto nobody = [](const Result<Model>&) { ADD_FAILURE(); };
  EXPECT_FALSE(models_->want("slow", models_->ticket(), nobody, 1));
  EXPECT_FALSE(models_->want("a", models_->ticket(), nobody, 1));  // of all together
  std::promise<Result<Model>> second;
  const auto then = [&](Result<Model> result) { second.set_value(std::move(result)); };
  EXPECT_TRUE(models_->want("slow", models_->ticket(), then, 2));
  gate_.set_value();
  EXPECT_TRUE(slow.get());
  EXPECT_TRUE(second.get_future().get());
}

TEST_F(Registry, WhatComesLaterIsFound) {
  EXPECT_FALSE(models_->knows("new"));
  {
    const std::lock_guard lock(mutex_);
    names_ = {"a", "new"};
  }
  Model a = want("a").get().value();
  models_->scan();
  EXPECT_TRUE(models_->knows("new"));
  EXPECT_FALSE(models_->knows("b"));
}

TEST_F(Registry, WhatIsKnownStaysWhereNobodyCanLook) {
  {
    const std::lock_guard lock(mutex_);
    names_ = {"gone"};
  }
  models_->scan();
  EXPECT_TRUE(models_->knows("a"));
  EXPECT_TRUE(want("a").get());
}

TEST_F(Registry, WhatIsUnloadedIsForgottenAtOnceWhereItIsGone) {
  EXPECT_TRUE(want("a").get());
  {
    const std::lock_guard lock(mutex_);
    names_ = {"b"};
  }
  bool known = true;
  when_unloaded_ = [&] {
    models_->scan();
    known = models_->knows("a");
  };
  EXPECT_TRUE(want("b").get());
  EXPECT_FALSE(known);
}

TEST_F(Registry, TheFirstIsTheFirst) {
  models_->put_first({.name = "b"}, nullptr, 0);
  EXPECT_EQ(models_->first(), "b");
  EXPECT_EQ(models_->models().front().card.name, "b");
  EXPECT_EQ(models_->models().size(), 5u);
}

TEST_F(Registry, WhatIsStillHeldOutlivesIt) {
  Model a = want("a").get().value();
  models_.reset();
  EXPECT_EQ(there_, 1);
  a.reset();
  EXPECT_EQ(there_, 0);
}

}  // namespace
}  // namespace gemma::serve
