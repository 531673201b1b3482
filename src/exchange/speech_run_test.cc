// SPDX-License-Identifier: Apache-2.0
#include "exchange/speech_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exchange/languages.h"

namespace gemma {
namespace {

using testing::HasSubstr;
using testing::Not;

/** Sound of three pieces, of which nothing is to be heard in the second. */
std::shared_ptr<const Media> sound() {
  auto out = std::make_shared<Media>();
  out->name = "talk.wav";
  out->item.medium = Medium::audio;
  json::array clips;
  for (int i = 0; i < 3; ++i) {
    MediaBlock block;
    block.medium = Medium::audio;
    out->item.blocks.push_back(block);
    out->inputs.emplace_back();
    out->contents.push_back(static_cast<uint64_t>(i) + 1);
    clips.push_back(json::object{{"begin", 10.0 * i},
                                 {"end", 10.0 * i + 10},
                                 {"heard_begin", 10.0 * i + 1},
                                 {"heard_end", 10.0 * i + 9},
                                 {"overlaps", false},
                                 {"silent", i == 1}});
  }
  out->facts = {{"seconds", 30}, {"clips", std::move(clips)}};
  return out;
}

Answer answer(std::string text, Finish finish = Finish::stop) {
  Answer out;
  out.text = std::move(text);
  out.finish = finish;
  return out;
}

TEST(SpeechRun, PiecesInWhichSomethingIsHeard) {
  SpeechRun run({}, sound(), "before it", false);
  EXPECT_EQ(run.seconds(), 30);
  ASSERT_TRUE(run.next());
  EXPECT_EQ(run.segment().begin, 0);
  EXPECT_EQ(run.most_tokens(), 80 + 160);
  EXPECT_THAT(run.question(), HasSubstr("before it"));
  EXPECT_EQ(run.hear(answer("one two")), "");
  ASSERT_TRUE(run.next());
  EXPECT_EQ(run.segment().heard_begin, 21);
  EXPECT_EQ(run.clip()->contents.front(), 3U);
  EXPECT_THAT(run.question(), HasSubstr("one two"));
  EXPECT_EQ(run.hear(answer("three", Finish::length)), "the answer does not end");
  EXPECT_FALSE(run.next());
  EXPECT_EQ(run.transcript().words(2), "one two three");
  EXPECT_EQ(run.transcript().words(1), "one two");
}

TEST(SpeechRun, ApartAndTranslated) {
  SpeechRun apart({}, sound(), "", true);
  ASSERT_TRUE(apart.next());
  apart.hear(answer("one two"));
  ASSERT_TRUE(apart.next());
  EXPECT_THAT(apart.question(), Not(HasSubstr("one two")));
  SpeechRun translated({"German", "English"}, sound(), "", false);
  ASSERT_TRUE(translated.next());
  EXPECT_EQ(translated.most_tokens(), 2 * (80 + 160));
  EXPECT_EQ(translated.hear(answer("eins\nEnglish: one")), "");
  ASSERT_TRUE(translated.next());
  EXPECT_EQ(translated.hear(answer("zwei")), "no translation came");
  EXPECT_EQ(translated.transcript().words(2), "one zwei");
}

TEST(SpeechRun, IsHeardUnlessEveryPieceWentWrong) {
  for (const bool second : {false, true}) {
    SpeechRun run({}, sound(), "", false);
    EXPECT_TRUE(run.heard());
    ASSERT_TRUE(run.next());
    run.hear(answer("", Finish::error));
    EXPECT_FALSE(run.heard());
    ASSERT_TRUE(run.next());
    run.hear(answer("", second ? Finish::stop : Finish::error));
    EXPECT_EQ(run.heard(), second);
  }
}

TEST(SpeechRun, WordsBeforeAreQuotedAndShort) {
  std::string words = "far \"quoted\"\n";
  for (int i = 0; i < 300; ++i) words += "word ";
  SpeechRun run({}, sound(), words + "say \"hi\"", false);
  ASSERT_TRUE(run.next());
  EXPECT_THAT(run.question(), HasSubstr("word say 'hi'\""));
  EXPECT_THAT(run.question(), Not(HasSubstr("far")));
}

TEST(Languages, ByCode) {
  EXPECT_EQ(language_of_code("de"), "German");
  EXPECT_EQ(language_of_code("ZH"), "Chinese");
  for (const char* none : {"", "d", "xx", "deu", "German"}) EXPECT_EQ(language_of_code(none), "") << none;
}

}  // namespace
}  // namespace gemma
