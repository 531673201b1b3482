// SPDX-License-Identifier: Apache-2.0
#include "exchange/seam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/utf8.h"

namespace gemma {
namespace {

std::string join(std::string_view first, std::string_view second, bool overlaps = true) {
  return joined(first, second, seam_of(first, second, overlaps));
}

std::vector<std::string> keys(std::string_view text) {
  std::vector<std::string> all;
  for (const Word& word : words_of(text)) all.push_back(word.key);
  return all;
}

TEST(Words, OfSeveralScripts) {
  EXPECT_THAT(keys("  Hello, WORLD - it's 1.7!  "), testing::ElementsAre("hello", "world", "its", "17"));
  EXPECT_THAT(keys("Über Москва"), testing::ElementsAre("über", "москва"));
  EXPECT_THAT(keys("今日は。Go!"), testing::ElementsAre("今", "日", "は", "go"));
  EXPECT_THAT(keys("안녕하세요 여러분"), testing::ElementsAre("안녕하세요", "여러분"));
  EXPECT_TRUE(keys(" \n").empty());
  EXPECT_THAT(keys("..."), testing::ElementsAre(""));
}

TEST(Seam, WordsThatBothHeardStandOnce) {
  EXPECT_EQ(join("we went to the station", "the station by bus"), "we went to the station by bus");
  EXPECT_EQ(join("He said, “To the station.”", "to the Station, by bus"), "He said, “To the station.” by bus");
  EXPECT_EQ(join("one two", "three four"), "one two three four");
  EXPECT_EQ(join("in the", "the house"), "in the house");
  EXPECT_EQ(join("", "the house"), "the house");
  EXPECT_EQ(join("the house", ""), "the house");
  EXPECT_EQ(join("the house", "The house."), "the house");
  EXPECT_EQ(join("我们去车站", "车站坐车"), "我们去车站坐车");
}

TEST(Seam, WordsThatAreCut) {
  EXPECT_EQ(join("we went to the sta", "to the station by bus"), "we went to the station by bus");
  EXPECT_EQ(join("we went to the station", "ent to the station by bus"), "we went to the station by bus");
  EXPECT_EQ(join("a long transcrip", "transcription of it"), "a long transcription of it");
  EXPECT_EQ(join("a long transcription", "scription of it"), "a long transcription of it");
  EXPECT_EQ(join("at the", "at noon"), "at the at noon");  // a short word beside a cut is no proof
}

TEST(Seam, WithoutOverlapOnlyLongRepetitionsCount) {
  EXPECT_EQ(join("it was very", "very good", false), "it was very very good");
  EXPECT_EQ(join("and so it was done then.", "So it was done then. Later", false), "and so it was done then. Later");
}

TEST(Tail, LastWords) {
  EXPECT_EQ(tail_of("one two three, four.", 2), "three, four.");
  EXPECT_EQ(tail_of("one two", 5), "one two");
  EXPECT_EQ(tail_of("", 5), "");
}

/** Any texts: what comes out is UTF-8 that begins with what was kept and ends with what was not skipped. */
TEST(Seam, AnyTexts) {
  const std::vector<std::string> parts{"a", "the", "The", "Stadt", " ", " ", " ", ".", "日", "本", "é", "\xff", "—"};
  uint64_t n = 0;
  const auto text = [&] {
    std::string out;
    for (uint64_t left = keyed_bits(7, ++n) % 12; left > 0; --left) out += parts[keyed_bits(8, ++n) % parts.size()];
    return out;
  };
  for (int round = 0; round < 3000; ++round) {
    const std::string first = text(), second = text();
    for (const bool overlaps : {false, true}) {
      const Seam seam = seam_of(first, second, overlaps);
      ASSERT_LE(seam.keep, first.size());
      ASSERT_LE(seam.skip, second.size());
      const std::string whole = joined(first, second, seam);
      EXPECT_LE(whole.size(), first.size() + second.size() + 1);
      EXPECT_EQ(utf8::valid(whole), utf8::valid(first.substr(0, seam.keep)) && utf8::valid(second.substr(seam.skip)));
      tail_of(first, 3);
    }
  }
}

}  // namespace
}  // namespace gemma
