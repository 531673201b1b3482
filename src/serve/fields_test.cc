// SPDX-License-Identifier: Apache-2.0
#include "serve/fields.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

json::object object_of(const char* text) { return parse_json(text).value().get_object(); }
std::string message(const Fields& fields) { return fields.failure() ? fields.failure()->message() : ""; }

TEST(Fields, ReadsWhatIsThere) {
  const json::object object =
      object_of(R"({"a": "x", "b": 1.5, "c": 3, "d": true, "e": [1], "f": {"g": 2}, "h": null})");
  Fields fields(object);
  EXPECT_EQ(fields.text("a"), "x");
  EXPECT_EQ(fields.number("b", 0, 2), 1.5);
  EXPECT_EQ(fields.integer("c", 0, 9), 3);
  EXPECT_EQ(fields.flag("d"), true);
  EXPECT_EQ(fields.list("e")->size(), 1U);
  EXPECT_EQ(fields.object("f")->size(), 1U);
  EXPECT_EQ(fields.text("h"), std::nullopt);
  EXPECT_EQ(fields.text("missing"), std::nullopt);
  EXPECT_EQ(message(fields), "");
}

TEST(Fields, NamesWhatNobodyAskedFor) {
  const json::object object = object_of(R"({"a": 1, "temprature": 1})");
  Fields fields(object, "x[0]");
  fields.any("a");
  EXPECT_EQ(message(fields), "x[0].temprature: is not known here: expected one of a");
}

TEST(Fields, SaysWhatWasExpectedAndFound) {
  const auto first = [](const char* text, auto read) {
    const json::object object = object_of(text);
    Fields fields(object);
    read(fields);
    return message(fields);
  };
  EXPECT_EQ(first(R"({"k": 1})", [](Fields& f) { f.text("k"); }), "k: expected a string, found a number");
  EXPECT_EQ(first(R"({"k": "1"})", [](Fields& f) { f.number("k", 0, 1); }), "k: expected a number, found a string");
  EXPECT_EQ(first(R"({"k": 3})", [](Fields& f) { f.number("k", 0, 1); }), "k: expected 0 to 1, found 3");
  EXPECT_EQ(first(R"({"k": 1e400})", [](Fields& f) { f.number("k", 0, 1); }).empty(), false);
  EXPECT_EQ(first(R"({"k": 1.5})", [](Fields& f) { f.integer("k", 0, 9); }),
            "k: expected an integer of 0 to 9, found 1.5");
  EXPECT_EQ(first(R"({"k": 99999999999999999999})", [](Fields& f) { f.integer("k", 0, 9); }).empty(), false);
  EXPECT_EQ(first(R"({"k": 0})", [](Fields& f) { f.flag("k"); }), "k: expected true or false, found a number");
  EXPECT_EQ(first(R"({"k": {}})", [](Fields& f) { f.list("k"); }), "k: expected an array, found an object");
  EXPECT_EQ(first(R"({"k": []})", [](Fields& f) { f.object("k"); }), "k: expected an object, found an array");
  EXPECT_EQ(first(R"({"k": "c"})", [](Fields& f) { f.word("k", {"a", "b"}); }), "k: expected one of a, b, found 'c'");
}

TEST(Fields, LabelsAndWhatIsNotSupported) {
  const json::object object = object_of(
      R"({"user": "me", "metadata": {"a": "b"}, "bad": {"a": 1}, "store": false, "tier": "auto", "audio": {}})");
  Fields fields(object);
  fields.label("user");
  fields.label("metadata");
  fields.unsupported("store", "no");
  fields.unsupported("tier", "no", {"auto"});
  fields.any("bad"), fields.any("audio");
  EXPECT_EQ(message(fields), "");
  fields.unsupported("audio", "is not supported: it does not speak");
  fields.label("bad");
  EXPECT_EQ(message(fields), "audio: is not supported: it does not speak");
}

}  // namespace
}  // namespace gemma::serve
