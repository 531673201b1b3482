// SPDX-License-Identifier: Apache-2.0
#include "serve/multipart_form.h"

#include <gtest/gtest.h>

#include "serve/openai_page.h"

namespace gemma::serve {
namespace {

struct Given {
  std::string name, value, filename;
};
HttpRequest request_of(const std::vector<Given>& parts) {
  HttpRequest request;
  request.headers = {{"content-type", "multipart/form-data; boundary=XX"}};
  for (const Given& part : parts) {
    const std::string file = part.filename.empty() ? "" : "; filename=\"" + part.filename + "\"";
    request.body +=
        "--XX\r\nContent-Disposition: form-data; name=\"" + part.name + "\"" + file + "\r\n\r\n" + part.value + "\r\n";
  }
  request.body += "--XX--\r\n";
  return request;
}
std::string fields_in(const std::vector<Given>& parts) {
  const auto form = read_form_fields(request_of(parts), {"t", "e"});
  return form ? write_json(form.value().fields) : form.failure().message();
}

TEST(Form, FieldsAsJson) {
  EXPECT_EQ(fields_in({{"a", "1", ""}, {"t", "0.5", ""}, {"g[]", "x", ""}, {"g[]", "y", ""}}),
            R"({"a": "1", "t": 0.5, "g": ["x", "y"]})");
  EXPECT_EQ(fields_in({{"e[a]", "x", ""}, {"e[b]", "7", ""}, {"f", "bytes", "n.wav"}}),
            R"({"e": {"a": "x", "b": 7}, "f": "n.wav"})");
  EXPECT_EQ(fields_in({{"t", "true", ""}}), R"({"t": true})");
  EXPECT_EQ(fields_in({{"t", "[1]", ""}}), R"({"t": "[1]"})");
}

TEST(Form, WhatIsWrongIsNamed) {
  EXPECT_EQ(fields_in({{"a", "1", ""}, {"a", "2", ""}}), "a: is there twice");
  EXPECT_EQ(fields_in({{"a[]", "1", ""}, {"a", "2", ""}}), "a: is there twice");
  EXPECT_EQ(fields_in({{"a", "1", ""}, {"a[]", "2", ""}}), "a[]: is there twice");
  EXPECT_EQ(fields_in({{"a[b]", "1", ""}, {"a[b]", "2", ""}}), "a[b]: is there twice");
  for (const char* name : {"a[", "[]", "a[b]c", "a[b][c]"}) {
    EXPECT_EQ(fields_in({{name, "1", ""}}), std::string(name) + ": expected NAME, NAME[] or NAME[FIELD]");
  }
  EXPECT_EQ(fields_in({{"a", "\xff", ""}}), "a: is no UTF-8");
}

TEST(Form, AFileIsAFile) {
  const auto form = read_form_fields(request_of({{"f", "bytes", "n.wav"}, {"g", "text", ""}}), {});
  const auto fault = [&](const char* name) {
    Fields fields(form.value().fields);
    const FormPart* part = form.value().file(name, fields);
    return part != nullptr ? part->bytes : fields.failure()->message();
  };
  EXPECT_EQ(fault("f"), "bytes");
  EXPECT_EQ(fault("g"), "g: expected a file, with its name");
  EXPECT_EQ(fault("h"), "h: is missing");
}

TEST(OpenAiPage, UnknownParameters) {
  EXPECT_FALSE(unknown_parameter("limit=3&&%61fter=x", {"after", "limit"}));
  EXPECT_EQ(unknown_parameter("limit=3&include%5B%5D=y", {"after", "limit"})->message(),
            "include[]: is no parameter of this way: expected after, limit");
}

TEST(OpenAiPage, AfterOrderLimit) {
  const auto page = [](const char* query) {
    json::array items;
    for (const char* id : {"1", "2", "3", "4"}) items.push_back(json::object{{"id", id}});
    const auto found = openai_page(std::move(items), query, 3, 9);
    if (!found) return found.failure().message();
    std::string ids;
    for (const json::value& item : found.value().at("data").as_array()) ids += item.at("id").as_string();
    return ids + (found.value().at("has_more").as_bool() ? "+" : "");
  };
  EXPECT_EQ(page(""), "432+");
  EXPECT_EQ(page("order=asc&limit=9"), "1234");
  EXPECT_EQ(page("after=3"), "21");
  EXPECT_EQ(page("after=1&order=asc&limit=2"), "23+");
  EXPECT_EQ(page("after=1"), "");
  EXPECT_EQ(page("after=x"), "after: there is no 'x' here");
  EXPECT_EQ(page("limit=10"), "limit: expected a number of 1 to 9, found '10'");
  EXPECT_EQ(page("order="), "order: expected a value");
  EXPECT_EQ(page("order=asc&a=b&order=asc"), "order: is given twice");
  EXPECT_EQ(page("order=up"), "order: expected asc or desc, found 'up'");
}

}  // namespace
}  // namespace gemma::serve
