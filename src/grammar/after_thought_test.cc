// SPDX-License-Identifier: Apache-2.0
#include "grammar/after_thought.h"

#include <gtest/gtest.h>

#include "engine/thought_budget.h"

namespace gemma {
namespace {

constexpr int32_t kOpen = 40, kClose = 41;

/** Allows 1, then 2, then is finished. */
class OneTwo final : public TokenMask {
 public:
  void fill(std::span<uint32_t> bits) override {
    std::fill(bits.begin(), bits.end(), 0u);
    bits[0] = at_ == 2 ? 0u : 2u << at_;
  }
  bool accept(int32_t token) override {
    if (at_ == 2 || token != at_ + 1) return false;
    ++at_;
    return true;
  }
  void rollback(int tokens) override { at_ -= tokens; }
  bool finished() const override { return at_ == 2; }
  bool free() const override { return false; }

 private:
  int at_ = 0;
};

std::vector<uint32_t> bits_of(TokenMask& mask) {
  std::vector<uint32_t> bits(2);
  mask.fill(bits);
  return bits;
}

TEST(AfterThought, AThoughtIsFreeAndTheAnswerIsNot) {
  AfterThought mask(std::make_unique<OneTwo>(), {kOpen, kClose}, nullptr);
  EXPECT_FALSE(mask.free());
  EXPECT_EQ((std::vector<uint32_t>{2u, 1u << (kOpen - 32)}), bits_of(mask)) << "the answer, or a thought";
  ASSERT_TRUE(mask.accept(kOpen));
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(mask.free());
    EXPECT_EQ((std::vector<uint32_t>{~0u, ~0u}), bits_of(mask));
    ASSERT_TRUE(mask.accept(i));
  }
  ASSERT_TRUE(mask.accept(kClose));
  EXPECT_FALSE(mask.free());
  EXPECT_EQ((std::vector<uint32_t>{2u, 0u}), bits_of(mask)) << "no second thought";
  EXPECT_FALSE(mask.accept(2));
  ASSERT_TRUE(mask.accept(1));
  EXPECT_FALSE(mask.finished());
  ASSERT_TRUE(mask.accept(2));
  EXPECT_TRUE(mask.finished());
  mask.rollback(3);  // into the thought
  EXPECT_TRUE(mask.free());
  ASSERT_TRUE(mask.accept(kClose));
  EXPECT_TRUE(mask.accept(1));
  mask.rollback(23);
  EXPECT_EQ((std::vector<uint32_t>{2u, 1u << (kOpen - 32)}), bits_of(mask));
  EXPECT_TRUE(mask.accept(1)) << "an answer without a thought";
  EXPECT_EQ((std::vector<uint32_t>{4u, 0u}), bits_of(mask));
}

TEST(AfterThought, ThePromptSaysWhereItBegins) {
  AfterThought open(std::make_unique<OneTwo>(), {kOpen, kClose, true}, nullptr);
  EXPECT_TRUE(open.free());
  EXPECT_TRUE(open.accept(1));
  EXPECT_TRUE(open.accept(kClose));
  EXPECT_EQ((std::vector<uint32_t>{2u, 0u}), bits_of(open));
  AfterThought none(std::make_unique<OneTwo>(), {kOpen, kClose, false, false}, nullptr);
  EXPECT_EQ((std::vector<uint32_t>{2u, 0u}), bits_of(none));
  EXPECT_FALSE(none.accept(kOpen));
}

TEST(AfterThought, TheTurnDoesNotEndInAThoughtBeforeAnAnswerThatMustCome) {
  ThoughtPlace place{kOpen, kClose};
  place.stop_ids = {7, 33};
  AfterThought mask(std::make_unique<OneTwo>(), place, nullptr);
  ASSERT_TRUE(mask.accept(kOpen));
  EXPECT_FALSE(mask.free());
  EXPECT_EQ((std::vector<uint32_t>{~(1u << 7), ~(1u << 1)}), bits_of(mask));
  EXPECT_FALSE(mask.accept(33));
  std::vector<uint32_t> bits = bits_of(mask);
  ASSERT_TRUE(mask.nearer(bits));
  EXPECT_EQ((std::vector<uint32_t>{0u, 1u << (kClose - 32)}), bits) << "the answer must have room";
  EXPECT_TRUE(mask.accept(kClose));
}

TEST(AfterThought, ABudgetEndsTheThought) {
  AfterThought mask(std::make_unique<OneTwo>(), {kOpen, kClose}, std::make_unique<ThoughtBudget>(2, kOpen, kClose));
  ASSERT_TRUE(mask.accept(kOpen));
  ASSERT_TRUE(mask.accept(7));
  EXPECT_TRUE(mask.free());
  ASSERT_TRUE(mask.accept(7));
  EXPECT_FALSE(mask.free());
  EXPECT_EQ((std::vector<uint32_t>{0u, 1u << (kClose - 32)}), bits_of(mask));
  EXPECT_FALSE(mask.accept(7));
  mask.rollback(1);
  EXPECT_TRUE(mask.free());
  ASSERT_TRUE(mask.accept(7));
  ASSERT_TRUE(mask.accept(kClose));
  EXPECT_EQ((std::vector<uint32_t>{2u, 0u}), bits_of(mask));
}

/** Allows everything, but remembers it. */
class Free final : public TokenMask {
 public:
  explicit Free(std::vector<int32_t>& seen) : seen_(seen) {}
  void fill(std::span<uint32_t> bits) override { std::fill(bits.begin(), bits.end(), ~0u); }
  bool accept(int32_t token) override {
    seen_.push_back(token);
    return true;
  }
  void rollback(int tokens) override { seen_.resize(seen_.size() - static_cast<size_t>(tokens)); }
  bool finished() const override { return false; }
  bool free() const override { return true; }

 private:
  std::vector<int32_t>& seen_;
};

TEST(AfterThought, AThoughtWithinAFreeAnswerIsHeldByTheBudget) {
  std::vector<int32_t> seen;
  AfterThought mask(std::make_unique<Free>(seen), {kOpen, kClose},
                    std::make_unique<ThoughtBudget>(2, kOpen, kClose, false));
  for (const int32_t token : {5, kOpen, 6, 7}) ASSERT_TRUE(mask.accept(token));
  EXPECT_FALSE(mask.free());
  EXPECT_EQ((std::vector<uint32_t>{0u, 1u << (kClose - 32)}), bits_of(mask)) << "what accept() takes";
  EXPECT_FALSE(mask.accept(1));
  ASSERT_TRUE(mask.accept(kClose));
  EXPECT_TRUE(mask.free());
  ASSERT_TRUE(mask.accept(8));
  EXPECT_EQ(seen, (std::vector<int32_t>{5, 8}));
  mask.rollback(3);  // into the thought
  EXPECT_TRUE(mask.free());
  mask.rollback(2);
  EXPECT_EQ(seen, std::vector<int32_t>{5});
}

}  // namespace
}  // namespace gemma
