// SPDX-License-Identifier: Apache-2.0
#include "exchange/speech.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemma {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(SpeechQuestion, AsDocumented) {
  EXPECT_EQ(
      speech_question({"English", ""}, ""),
      "Transcribe the following speech segment in English into English text.\n\n"
      "Follow these specific instructions for formatting the answer:\n"
      "* Only output the transcription, with no newlines.\n"
      "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 instead "
      "of three.");
  EXPECT_THAT(speech_question({}, ""), StartsWith("Transcribe the following speech segment in its original language."));
  EXPECT_EQ(speech_question({"German", "French"}, ""),
            "Transcribe the following speech segment in German, then translate it into French.\n"
            "When formatting the answer, first output the transcription in German, then one newline, then output the "
            "string 'French: ', then the translation in French.");
  EXPECT_THAT(speech_question({}, "so it goes"), HasSubstr("\"so it goes\""));
  EXPECT_THAT(speech_question({}, ""), Not(HasSubstr("before this segment")));
}

TEST(SpeechAnswer, TextAndTranslation) {
  EXPECT_EQ(speech_answer({}, " So\nit  goes. \n").text, "So it goes.");
  const SpeechTask task{"German", "French"};
  for (const char* answer :
       {"Guten Tag.\nFrench: Bonjour.", "Guten\nTag.\nFrench:Bonjour.\n", "Guten Tag.\n\nBonjour."}) {
    EXPECT_EQ(speech_answer(task, answer).text, "Guten Tag.") << answer;
    EXPECT_EQ(speech_answer(task, answer).translation, "Bonjour.") << answer;
  }
  EXPECT_EQ(speech_answer(task, "Guten Tag.").text, "Guten Tag.");
  EXPECT_EQ(speech_answer(task, "Guten Tag.").translation, "");
  EXPECT_EQ(speech_answer(task, "French: Bonjour.").translation, "Bonjour.");
  EXPECT_EQ(speech_answer(task, "").text, "");
}

TEST(Transcript, PiecesBecomeOneText) {
  Transcript transcript;
  EXPECT_EQ(transcript.tail(), "");
  transcript.add({0, 20, 1, 20, false, {"we went to the sta", "nous sommes"}});
  transcript.add({19, 40, 19, 35, true, {"to the station \"by bus\"", "sommes partis"}});
  transcript.add({40, 50, 41, 50, false, {"and back.", ""}});
  EXPECT_EQ(transcript.text(), "we went to the station \"by bus\" and back.");
  EXPECT_EQ(transcript.translation(), "nous sommes partis");
  EXPECT_EQ(transcript.tail(), "station 'by bus' and back.");
  const auto& segments = transcript.segments();
  EXPECT_EQ(segments[0].end, 19.5);
  EXPECT_EQ(segments[1].begin, 19.5);
  EXPECT_EQ(segments[1].heard_begin, 19.5);
  EXPECT_EQ(segments[2].begin, 40);
  const std::vector<Cue> cues = transcript.cues();
  ASSERT_EQ(cues.size(), 3U);
  EXPECT_EQ(cues[0].text, "nous sommes");
  EXPECT_EQ(cues[2].text, "and back.");
}

TEST(Cues, AreShortAndCutAtSentences) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "Some words that are said here, one after another. ";
  const std::vector<Cue> cues = cues_of(text, 10, 100);
  ASSERT_EQ(cues.size(), 30U);
  EXPECT_EQ(cues[0].text, "Some words that are said\nhere, one after another.");
  EXPECT_EQ(cues.front().begin, 10);
  EXPECT_NEAR(cues.back().end, 100, 1e-9);
  for (size_t i = 1; i < cues.size(); ++i) EXPECT_EQ(cues[i].begin, cues[i - 1].end);
  for (const Cue& cue : cues_of(std::string(500, 'x') + " " + text.substr(0, 900), 0, 60)) {
    EXPECT_EQ(std::count(cue.text.begin(), cue.text.end(), '\n') <= 1, true);
  }
  EXPECT_TRUE(cues_of("", 0, 10).empty());
  EXPECT_EQ(cues_of("今日は。元気ですか。", 0, 2)[0].text, "今日は。元気ですか。");
}

TEST(Subtitles, BothForms) {
  const std::vector<Cue> cues{{0, 1.5, "a < b & c"}, {3661.25, 3662, "two\nlines"}};
  EXPECT_EQ(as_srt(cues),
            "1\n00:00:00,000 --> 00:00:01,500\na < b & c\n\n2\n01:01:01,250 --> 01:01:02,000\ntwo\nlines\n\n");
  EXPECT_EQ(
      as_vtt(cues),
      "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na &lt; b &amp; c\n\n01:01:01.250 --> 01:01:02.000\ntwo\nlines\n\n");
}

}  // namespace
}  // namespace gemma
