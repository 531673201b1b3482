// SPDX-License-Identifier: Apache-2.0
#include "grammar/regex.h"

#include <gmock/gmock.h>

#include <regex>

#include "grammar/automaton.h"
#include "grammar/formats.h"

namespace gemma {
namespace {

using ::testing::HasSubstr;

Automaton automaton_of(std::string_view pattern) {
  auto parsed = parse_regex(pattern);
  EXPECT_TRUE(parsed.ok()) << pattern << ": " << (parsed.ok() ? "" : parsed.failure().message());
  auto made = Automaton::of(parsed.value());
  EXPECT_TRUE(made.ok()) << pattern << ": " << (made.ok() ? "" : made.failure().message());
  return std::move(made).value();
}

bool fits(const Automaton& automaton, std::string_view text) {
  int state = automaton.start();
  for (const char c : text) {
    state = automaton.next(state, static_cast<uint8_t>(c));
    if (state == Automaton::kDead) return false;
  }
  return automaton.is_end(state);
}

TEST(Regex, FitsWhatTheLibraryFits) {
  const std::vector<std::string> patterns{
      "",
      "a",
      "a|b|",
      "(ab)*c",
      "a+b?c{2}",
      "[abc]{1,2}$",
      "^a.c$",
      "[^ab]c",
      "(?:a|bc){2,}",
      "\\d\\w\\s",
      "\\D\\W\\S",
      "a{0}b",
      "(a|(b|c)*)+",
      "x*y*z*",
      "[a-c-]+",
      "[\\]\\\\]",
      "\\x61\\u0062",
      "(^a|b)c",
      "a(b$|c)",

      "(|a)(|b)",
      "a{2,}?b*?",
      "\\.\\/\\-",
      "[^\\w ]+",
      "(a*)*b",
      "\\t|\\n",
      "(?<n>a)b",
  };
  const std::string letters = "abcxyz1-. \t\n\\]/A_\x01";
  for (const std::string& pattern : patterns) {
    const Automaton ours = automaton_of(pattern);
    std::string plain = pattern;
    if (const size_t name = plain.find("?<n>"); name != std::string::npos) plain.replace(name, 4, "?:");
    const std::regex theirs(plain);
    unsigned seed = 7;
    for (int round = 0; round < 4000; ++round) {
      std::string text;
      for (unsigned n = (seed >> 16) % 5; text.size() < n;) {
        seed = seed * 1664525 + 1013904223;
        text += letters[(seed >> 20) % letters.size()];
      }
      seed = seed * 1664525 + 1013904223;
      ASSERT_EQ(std::regex_match(text, theirs), fits(ours, text)) << pattern << " on '" << text << "'";
    }
  }
}

TEST(Regex, CharactersAreUnicodes) {
  EXPECT_TRUE(fits(automaton_of("[\\d-x]+"), "3-x")) << "no range: a hyphen";
  EXPECT_FALSE(fits(automaton_of("[\\d-x]+"), "a"));
  EXPECT_TRUE(fits(automaton_of("."), "é"));
  EXPECT_TRUE(fits(automaton_of("^.{3}$"), "日本😀"));
  EXPECT_FALSE(fits(automaton_of("."), "\n"));
  EXPECT_FALSE(fits(automaton_of("."), "\u2028"));
  EXPECT_FALSE(fits(automaton_of(".*"), "\xC3"));
  EXPECT_FALSE(fits(automaton_of("[^a]"), "\xED\xA0\x80")) << "half of a pair is no character";
  EXPECT_FALSE(fits(automaton_of("[^a]"), "\xF4\x90\x80\x80"));
  EXPECT_FALSE(fits(automaton_of("[^a]"), "\xC0\x80"));
  EXPECT_TRUE(fits(automaton_of("[^a]"), "\U0010FFFF"));
  EXPECT_TRUE(fits(automaton_of("[à-ö]+"), "éö"));
  EXPECT_TRUE(fits(automaton_of("\\ud83d\\ude00\\u{1F600}"), "😀😀"));
  EXPECT_FALSE(fits(automaton_of("\\S"), "\u00a0"));
}

TEST(Regex, WhatIsNoneIsRefusedAtItsPlace) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {"a(b", "character 4: expected ')' for the '(' at 2, found the end"},
      {"a)b", "character 2: expected the end"},
      {"*a", "character 1: expected something to repeat"},
      {"a**", "character 3: expected one repetition, found two"},
      {"^*", "character 1: expected something to repeat, found an anchor"},
      {"a{3,1}", "character 2: expected the smaller number first, found 3 and 1"},
      {"a{x}", "character 3: expected a number, found 'x'"},
      {"a{20000}", "character 3: expected at most 10000 times"},
      {"[a", "character 3: expected ']' for the '[' at 1"},
      {"[z-a]", "character 2: expected a range"},
      {"(?=a)", "character 1: no mask keeps to a look ahead"},
      {"é(?<!a)", "character 2: no mask keeps to a look ahead or behind"},
      {"(a)\\1", "character 4: no mask keeps to what a group has matched"},
      {"\\bx", "character 1: no mask keeps to a border of words"},
      {"\\p{L}", "character 1: a mask does not know the properties of Unicode"},
      {"\\q", "character 1: expected a known escape"},
      {"\\", "character 1: expected a character behind"},
      {"\\x1", "character 1: expected 2 hexadecimal digits"},
      {"(?i)a", "character 1: expected '(', '(?:' or"},
  };
  for (const auto& [pattern, words] : cases) {
    const auto made = parse_regex(pattern);
    ASSERT_FALSE(made.ok()) << pattern;
    EXPECT_THAT(made.failure().message(), HasSubstr(words)) << pattern;
  }
  EXPECT_FALSE(parse_regex(std::string(100'000, '(')).ok());
}

TEST(Regex, WhatIsTooLargeIsRefusedSoon) {
  for (const char* pattern :
       {"(a{1000}){1000}", ".*a.{30}", "((.{100}){100}){100}", "(.*a.{18}){3}", "(a|b.{0,300}){0,300}"}) {
    const auto made = Automaton::of(parse_regex(pattern).value());
    ASSERT_FALSE(made.ok()) << pattern;
    EXPECT_THAT(made.failure().reason, HasSubstr("is too large")) << pattern;
  }
  EXPECT_TRUE(Automaton::of(parse_regex(".{0,1000}").value()).ok());
  EXPECT_FALSE(Automaton::of(parse_regex("[]a").value()).ok());
  EXPECT_FALSE(Automaton::of(parse_regex("a^b").value()).ok());
}

/** An endless repetition of an endless repetition of ... a letter, 60 times. */
std::string nested_loops() {
  std::string text = "z";
  for (int i = 0; i < 60; ++i) text = "(?:" + text + ")*";
  return text;
}

TEST(Regex, WhatTakesManyStepsIsRefused) {
  const auto few = Automaton::of(parse_regex("[ab]*a(?:[ab]" + nested_loops() + "){11}").value());
  ASSERT_TRUE(few.ok());
  EXPECT_LT(few.value().steps(), Automaton::kMostSteps);
  const auto many = Automaton::of(parse_regex("[ab]*a(?:[ab](?:" + nested_loops() + "){30}){13}").value());
  ASSERT_FALSE(many.ok());
  EXPECT_THAT(many.failure().reason, HasSubstr("or 100000000 steps to make it"));
}

TEST(Regex, EveryPlaceHasAWayToAnEnd) {
  const Automaton automaton = automaton_of("ab(c|d[])|x{2,3}");
  for (int state = 0; state < automaton.states(); ++state) {
    EXPECT_TRUE(automaton.distance(state) >= 0 || state > 0);
    EXPECT_EQ(automaton.is_end(state), automaton.distance(state) == 0);
  }
  EXPECT_FALSE(fits(automaton, "abd"));
  EXPECT_EQ(2, automaton.distance(automaton.start()));
}

TEST(Formats, AreWhatTheyAreCalled) {
  const std::vector<std::tuple<const char*, std::vector<const char*>, std::vector<const char*>>> cases{
      {"date",
       {"2024-02-29", "2000-02-29", "1999-12-31"},
       {"2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "24-01-01"}},
      {"time", {"23:59:59Z", "00:00:00.25+02:00"}, {"24:00:00Z", "12:00:00", "12:60:00Z"}},
      {"date-time", {"2024-02-29T12:00:00Z"}, {"2024-02-29 12:00:00Z", "2024-02-29"}},
      {"duration", {"P1Y2M3DT4H5M6S", "PT5M", "P2W", "P1Y"}, {"P", "PT", "P1Y3D", "1D", "P1W2D"}},
      {"email", {"a.b+c@ex-ample.org", "x@y"}, {"a@", "@b", "a..b@c", "a@-b.c", "a b@c"}},
      {"hostname", {"a", "www.ex-ample.org"}, {"", "-a", "a-", "a..b", "a_b"}},
      {"ipv4", {"0.0.0.0", "255.10.1.99"}, {"256.0.0.1", "1.2.3", "01.2.3.4"}},
      {"ipv6",
       {"::", "::1", "fe80::1:2", "1:2:3:4:5:6:7:8", "1::", "1:2:3:4:5:6:1.2.3.4", "::ffff:10.0.0.1"},
       {":", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", ":1"}},
      {"uuid",
       {"123e4567-e89b-12d3-a456-426614174000"},
       {"123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"}},
      {"uri", {"http://a.b/c?d=e#f", "mailto:x@y.z", "urn:a:b", "file:///x"}, {"a b", "//a", "http://[", "1a:b"}},
      {"uri-reference", {"", "/a/b", "../c?d", "#e", "http://a/"}, {"a b", "\\x"}},
      {"uri-template", {"/a/{id}{?q,r*}", "{+x:3}", ""}, {"{", "{}", "a b"}},
      {"json-pointer", {"", "/a/0", "/a~0b~1c"}, {"a", "/~2"}},
      {"relative-json-pointer", {"0", "1/a", "2#"}, {"", "/a", "01"}},
  };
  for (const auto& [format, good, bad] : cases) {
    const Automaton automaton = automaton_of(format_pattern(format));
    for (const char* text : good) EXPECT_TRUE(fits(automaton, text)) << format << " '" << text << "'";
    for (const char* text : bad) EXPECT_FALSE(fits(automaton, text)) << format << " '" << text << "'";
  }
  EXPECT_EQ("", format_pattern("phone"));
}

}  // namespace
}  // namespace gemma
