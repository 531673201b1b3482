// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace gemma {
namespace {

TEST(Json, WritesNumbersTheShortestWay) {
  const json::value value = parse_json_or_fail("t", R"({"a":2.5,"b":[1,-7,1e300,0.1],"c":"é\n","d":3.0,"e":{}})");
  EXPECT_EQ(write_json(value), "{\"a\": 2.5, \"b\": [1, -7, 1e+300, 0.1], \"c\": \"é\\n\", \"d\": 3.0, \"e\": {}}");
  EXPECT_EQ(parse_json_or_fail("t", write_json(value)), value);
  EXPECT_EQ(write_json(parse_json_or_fail("t", "{\"a\": [1]}"), 2), "{\n  \"a\": [\n    1\n  ]\n}");
  EXPECT_EQ(write_json(json::value(std::numeric_limits<double>::quiet_NaN())), "null");
}

TEST(Json, WritesOneLineForEveryReader) {
  const std::string text = R"({"a\u2028": "\u0085x\u2029\u2029\n"})";
  EXPECT_EQ(write_json(parse_json_or_fail("t", text)), text);
}

TEST(Json, WritesUtf8Alone) {
  EXPECT_EQ(write_json(json::object{{"a\xff", "\xc3("}, {"é", "\x80"}}),
            "{\"a\xef\xbf\xbd\": \"\xef\xbf\xbd(\", \"é\": \"\xef\xbf\xbd\"}");
}

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(write_json(parse_json_or_fail("t", R"({"z":1,"a":2})")), R"({"z": 1, "a": 2})");
}

TEST(Json, ReadsNumbersToTheLastBit) {
  for (const char* text : {"0.3333333333333333", "123.456", "1.7976931348623157e+308", "4331.712643678161",
                           "35892.57894736842", "1e-07", "5e-324", "-2.2250738585072014e-308"}) {
    EXPECT_EQ(parse_json_or_fail("t", text).as_double(), std::strtod(text, nullptr)) << text;
  }
  EXPECT_EQ(parse_json_or_fail("t", "[1e-999]").as_array()[0].as_double(), 0.0);
  EXPECT_TRUE(std::signbit(parse_json_or_fail("t", "-0.0").as_double()));
}

TEST(Json, KeepsIntegersOfAnySizeWhenAsked) {
  const std::string text = "[18446744073709551615, -9223372036854775809, 123456789012345678901234567890, 1e30]";
  const Result<json::value> kept = parse_json(text, 8, BigIntegers::keep);
  ASSERT_TRUE(kept);
  EXPECT_EQ(write_json(kept.value()),
            "[18446744073709551615, -9223372036854775809, 123456789012345678901234567890, 1e+30]");
  EXPECT_EQ(digits_of_big_integer(kept.value().at(2)), "123456789012345678901234567890");
  EXPECT_EQ(kept.value().at(2), big_integer("123456789012345678901234567890"));
  EXPECT_FALSE(digits_of_big_integer(kept.value().at(0)));
  EXPECT_FALSE(digits_of_big_integer(json::string("\xff")));
  EXPECT_FALSE(digits_of_big_integer(json::string("\xff-")));
  EXPECT_FALSE(
      digits_of_big_integer(json::string("\xff"
                                         "1}")));
  EXPECT_EQ(parse_json_or_fail("t", text).at(2).as_double(), 123456789012345678901234567890.0);
  const Result<json::value> last = parse_json("99999999999999999999", 8, BigIntegers::keep);
  ASSERT_TRUE(last);
  EXPECT_EQ(write_json(last.value()), "99999999999999999999");
}

std::string reason(std::string_view text, int depth = 256) {
  const Result<json::value> value = parse_json(text, depth);
  return value ? "accepted" : value.failure().reason;
}

TEST(Json, SaysWhereItIsWrong) {
  EXPECT_THAT(reason("{\"a\": 1,\n \"b\": x}"), ::testing::StartsWith("line 2, column 7: not valid JSON"));
  EXPECT_THAT(reason(""), ::testing::HasSubstr("not valid JSON"));
  EXPECT_THAT(reason("[1] 2"), ::testing::HasSubstr("expected the end"));
  EXPECT_THAT(reason(std::string(10000, '[')), ::testing::HasSubstr("deeper than 256"));
  EXPECT_THAT(reason("\"\xff\""), ::testing::HasSubstr("not valid JSON"));
  EXPECT_THAT(reason(R"("\ud800")"), ::testing::HasSubstr("not valid JSON"));
  EXPECT_EQ(reason("[[]]", 2), "accepted");
  EXPECT_THAT(reason("[[[]]]", 2), ::testing::HasSubstr("deeper than 2"));
}

}  // namespace
}  // namespace gemma
