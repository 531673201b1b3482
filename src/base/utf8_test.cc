// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace gemma {
namespace {

TEST(Utf8, EveryCodePointGoesThereAndBack) {
  for (char32_t point = 0; point < 0x110000; ++point) {
    if (point >= 0xd800 && point < 0xe000) continue;
    std::string text;
    utf8::append(text, point);
    ASSERT_EQ(utf8::length(text), static_cast<int>(text.size())) << static_cast<uint32_t>(point);
    ASSERT_EQ(utf8::decode(text), point);
    for (size_t cut = 0; cut < text.size(); ++cut) ASSERT_TRUE(utf8::incomplete(text.substr(0, cut)));
    ASSERT_FALSE(utf8::incomplete(text));
  }
}

TEST(Utf8, RefusesWhatIsNotShortestOrNotACharacter) {
  for (const char* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
                           "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xe2x"}) {
    EXPECT_FALSE(utf8::valid(text)) << text;
    EXPECT_EQ(utf8::length(text), 0);
  }
  EXPECT_FALSE(utf8::incomplete("\xe0\x9f"));
  EXPECT_FALSE(utf8::incomplete("\xff"));
  EXPECT_EQ(utf8::first_invalid("ab\xc3\xa9\xff"), 4u);
}

TEST(Utf8, ReplacesEachBadByte) {
  EXPECT_EQ(utf8::replace_invalid("a\xff\xe2\x82z"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
  EXPECT_EQ(utf8::replace_invalid("é"), "é");
}

}  // namespace
}  // namespace gemma
