// SPDX-License-Identifier: Apache-2.0
#include "exchange/media_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace gemma {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

json::object object_of(const std::string& text) { return parse_json_or_fail("test", text).get_object(); }

template <class Read>
std::string error_of(const json::object& object, const Read& read) {
  try {
    read(Facts("a.png", object));
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), StartsWith("a.png: what the media worker says of it makes no sense: 'x': expected "));
    return error.what();
  }
  return "";
}

TEST(Facts, AreReadAsWhatTheyAre) {
  const json::object object = object_of(
      R"({"n": -2.5, "i": 7, "d": 7.0, "t": 3.5, "f": true, "s": "PNG", "p": {"q": 1}, "l": [{"q": 2}], "z": null})");
  const Facts facts("a.png", object);
  EXPECT_EQ(facts.number("n"), -2.5);
  EXPECT_EQ(facts.integer("i", -1, 7), 7);
  EXPECT_EQ(facts.count("d"), 7);
  EXPECT_EQ(facts.seconds("t"), 3.5);
  EXPECT_TRUE(facts.flag("f"));
  EXPECT_EQ(facts.text("s"), "PNG");
  EXPECT_EQ(facts.part("p").count("q"), 1);
  ASSERT_EQ(facts.list("l").size(), 1U);
  EXPECT_EQ(facts.list("l")[0].count("q"), 2);
  EXPECT_TRUE(facts.has("s"));
  EXPECT_FALSE(facts.has("z") || facts.has("y"));
}

TEST(Facts, OfAnotherKindAreOneLine) {
  const std::vector<std::string> values{"null",       "\"7\"", "[]",  "{}",   "[3]",       "true",
                                        "-1",         "1e300", "0.5", "[[]]", "\"a\\nb\"", "\"\\u001b[31m\"",
                                        "\"\\u009b\""};
  const auto refused = [&](const auto& read) {
    std::string kept;
    for (const std::string& value : values) {
      const json::object object = object_of(R"({"x": )" + value + "}");
      if (error_of(object, read).empty()) kept += value + " ";
    }
    EXPECT_NE(error_of({}, read), "");  // not there at all
    return kept;
  };
  EXPECT_EQ(refused([](const Facts& f) { f.number("x"); }), "-1 1e300 0.5 ");
  EXPECT_EQ(refused([](const Facts& f) { f.integer("x", -1, 8); }), "-1 ");
  EXPECT_EQ(refused([](const Facts& f) { f.count("x"); }), "");
  EXPECT_EQ(refused([](const Facts& f) { f.seconds("x"); }), "0.5 ");
  EXPECT_EQ(refused([](const Facts& f) { f.flag("x"); }), "true ");
  EXPECT_EQ(refused([](const Facts& f) { f.text("x"); }), "\"7\" ");
  EXPECT_EQ(refused([](const Facts& f) { f.part("x"); }), "{} ");
  EXPECT_EQ(refused([](const Facts& f) { f.list("x"); }), "[] ");
}

}  // namespace
}  // namespace gemma
