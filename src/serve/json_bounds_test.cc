// SPDX-License-Identifier: Apache-2.0
#include "serve/json_bounds.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

TEST(FieldGivenTwice, InOneObject) {
  EXPECT_EQ(field_given_twice(R"({"a": 1, "b": 2, "a": 1})"), "a");
  EXPECT_EQ(field_given_twice(R"([{"tools": [{"b": {}, "b" : {}}]}])"), "b");
  EXPECT_EQ(field_given_twice(R"({"a": {"c": 1}, "d": [], "a": 1})"), "a");
  EXPECT_EQ(field_given_twice(R"({"": 1, "": 2})"), "");
}

TEST(FieldGivenTwice, HoweverItIsSpelt) { EXPECT_EQ(field_given_twice(R"({"a\"b": 1, "\u0061\u0022b": 2})"), "a\"b"); }

TEST(FieldGivenTwice, NotInSeveralObjects) {
  EXPECT_EQ(field_given_twice(R"([{"a": {"a": {"b": 1}}}, {"a": "a", "b": ["a", "a", "a"]}])"), std::nullopt);
  EXPECT_EQ(field_given_twice(R"({"a": "\"a\": 1, \"a\": 2}", "b": "]}\\"})"), std::nullopt);
  EXPECT_EQ(field_given_twice(R"("a")"), std::nullopt);
  EXPECT_EQ(field_given_twice("7"), std::nullopt);
}

}  // namespace
}  // namespace gemma::serve
