// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(write_json(parse_json_or_fail("t", R"({"z":1,"a":2})")), R"({"z": 1, "a": 2})");
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
