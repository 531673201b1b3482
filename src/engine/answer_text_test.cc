// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_text.h"

#include <gmock/gmock.h>

#include "engine/tiny_tokenizer.h"

namespace gemma {
namespace {

using testing::ElementsAre;

enum : int32_t { kA, kB, kAb, kStop, kHalf, kNewline, kTurn, kBytes };

class AnswerTextTest : public testing::Test {
 protected:
  std::shared_ptr<const Tokenizer> tokenizer_ = tiny_tokenizer({{"a", Tiny::normal},
                                                                {"b", Tiny::normal},
                                                                {"▁ab", Tiny::normal},
                                                                {"STOP!", Tiny::normal},
                                                                {"xST", Tiny::normal},
                                                                {"\n", Tiny::normal},
                                                                {"<turn|>", Tiny::control}});

  /** What comes out with each token, and at the end. */
  std::vector<std::string> run(std::vector<std::string> stop, const std::vector<int32_t>& tokens) {
    AnswerText text(tokenizer_.get(), std::move(stop));
    std::vector<std::string> out;
    out.reserve(tokens.size() + 1);
    for (int32_t token : tokens) out.push_back(text.push(token));
    out.push_back(text.finish());
    stopped_ = text.stopped();
    stopped_by_ = text.stopped_by();
    return out;
  }
  bool stopped_ = false;
  std::string stopped_by_;
};

TEST_F(AnswerTextTest, NothingIsHeldWithoutNeed) {
  EXPECT_THAT(run({}, {kA, kAb, kB}), ElementsAre("a", " ab", "b", ""));
  EXPECT_THAT(run({"zz"}, {kA, kAb, kB}), ElementsAre("a", " ab", "b", ""));
  EXPECT_FALSE(stopped_);
}

TEST_F(AnswerTextTest, AStopStringIsFoundAcrossTokens) {
  EXPECT_THAT(run({"STOP"}, {kA, kStop, kB}), ElementsAre("a", "", "", ""));
  EXPECT_TRUE(stopped_);
  EXPECT_THAT(run({"b\na"}, {kAb, kNewline, kA}), ElementsAre(" a", "", "", ""));
  EXPECT_TRUE(stopped_);
  EXPECT_THAT(run({"aa"}, {kA, kB, kA, kA}), ElementsAre("", "ab", "", "", ""));
  EXPECT_TRUE(stopped_);
}

TEST_F(AnswerTextTest, OnlyWhatMayBeAStopStringIsHeld) {
  EXPECT_THAT(run({"STOP"}, {kHalf, kB}), ElementsAre("x", "STb", ""));
  EXPECT_THAT(run({"STOP"}, {kHalf}), ElementsAre("x", "ST"));
  EXPECT_FALSE(stopped_);
  EXPECT_THAT(run({"aab"}, {kA, kA, kA, kB}), ElementsAre("", "", "a", "", ""));  // falls back to a shorter beginning
  EXPECT_TRUE(stopped_);
}

TEST_F(AnswerTextTest, TheFirstOfSeveralStopStringsCounts) {
  EXPECT_THAT(run({"OP", "STOP", "!"}, {kA, kStop}), ElementsAre("a", "", ""));
  EXPECT_TRUE(stopped_);
  EXPECT_EQ(stopped_by_, "STOP");
}

TEST_F(AnswerTextTest, CharactersAreWhole) {
  const int32_t e0 = kBytes + 0xE2, e1 = kBytes + 0x82, e2 = kBytes + 0xAC;  // the euro sign
  EXPECT_THAT(run({}, {kA, e0, e1, e2, kB}), ElementsAre("a", "", "", "€", "b", ""));
  EXPECT_THAT(run({}, {e0, e1}), ElementsAre("", "", "\uFFFD\uFFFD"));
  EXPECT_THAT(run({"€b"}, {e0, e1, e2, kA}), ElementsAre("", "", "", "€a", ""));
  EXPECT_THAT(run({"€"}, {kA, e0, e1, e2}), ElementsAre("a", "", "", "", ""));
  EXPECT_TRUE(stopped_);
}

TEST_F(AnswerTextTest, AControlPieceLetsGoOfWhatIsHeld) {
  EXPECT_THAT(run({"ab"}, {kA, kTurn, kB}), ElementsAre("", "a", "b", ""));
  EXPECT_FALSE(stopped_);
}

TEST_F(AnswerTextTest, NoTokenizerNoText) {
  AnswerText text(nullptr, {"a"});
  EXPECT_EQ(text.push(3), "");
  EXPECT_EQ(text.finish(), "");
}

}  // namespace
}  // namespace gemma
