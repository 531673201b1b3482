// SPDX-License-Identifier: Apache-2.0
#include "grounding/findings.h"

#include <gmock/gmock.h>

#include "base/json.h"

namespace gemma::grounding {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kBike = R"({"box_2d": [100, 200, 300, 400], "label": "bike"})";

Findings read(std::string_view answer) {
  const Result<Findings> findings = read_findings(answer);
  EXPECT_TRUE(findings.ok()) << answer << ": " << (findings.ok() ? "" : findings.failure().message());
  return findings.ok() ? findings.value() : Findings{};
}

void expect_bike(std::string_view answer) {
  const Findings findings = read(answer);
  ASSERT_EQ(1u, findings.found.size()) << answer;
  const Finding& bike = findings.found[0];
  EXPECT_EQ("bike", bike.label);
  EXPECT_FALSE(bike.point);
  EXPECT_THAT((std::vector<double>{bike.top, bike.left, bike.bottom, bike.right}), ElementsAre(100, 200, 300, 400));
  EXPECT_THAT(findings.notes, IsEmpty()) << answer;
}

TEST(Findings, InWhateverStandsAroundThem) {
  const std::string bike(kBike);
  expect_bike("[" + bike + "]");
  expect_bike(bike);
  expect_bike("```json\n[\n  " + bike + "\n]\n```");
  expect_bike("```\n[" + bike + "]```");
  expect_bike("There it is [see below], at {left}:\n[" + bike + "]\nAnything else? [1, 2]");
  expect_bike(R"({"objects": [)" + bike + "]}");
  expect_bike("[12] [" + bike + "]");
  expect_bike("\"an open quote [" + bike + "]");
}

TEST(Findings, Points) {
  const Findings findings = read(R"([{"point": [10.5, 1000], "label": "a ] \" [ bell"}])");
  ASSERT_EQ(1u, findings.found.size());
  EXPECT_TRUE(findings.found[0].point);
  EXPECT_EQ(10.5, findings.found[0].top);
  EXPECT_EQ(1000, findings.found[0].right);
  EXPECT_EQ("a ] \" [ bell", findings.found[0].label);
}

TEST(Findings, NothingFoundIsAnAnswer) {
  EXPECT_THAT(read("[]").found, IsEmpty());
  EXPECT_THAT(read("```json\n[]\n```").found, IsEmpty());
}

TEST(Findings, WhatIsWrongIsSaidOfEachEntry) {
  const Findings findings = read(R"([
    {"box_2d": [1, 2, 3], "label": "three numbers"},
    {"box_2d": [1, 2, 3, 1001], "label": "out of range"},
    {"box_2d": [1, 2, "3", 4], "label": "a text"},
    {"box_2d": [5, 2, 5, 4], "label": "no area"},
    {"label": "no place"},
    7,
    {"box_2d": [300, 400, 100, 200], "label": "corners"},
    {"box_2d": [1, 2, 3, 4], "label": ""},
    {"point": [-1, 2], "label": "below"},
    {"point": [1, 2]}])");
  ASSERT_EQ(3u, findings.found.size());
  EXPECT_EQ(100, findings.found[0].top);
  EXPECT_EQ(400, findings.found[0].right);
  EXPECT_EQ("object", findings.found[1].label);
  EXPECT_EQ("object", findings.found[2].label);
  EXPECT_THAT(
      findings.notes,
      ElementsAre("entry 1: box_2d: expected 4 numbers from 0 to 1000, found [1, 2, 3]; left out",
                  "entry 2: box_2d: expected 4 numbers from 0 to 1000, found [1, 2, 3, 1001]; left out",
                  "entry 3: box_2d: expected 4 numbers from 0 to 1000, found [1, 2, \"3\", 4]; left out",
                  "entry 4: box_2d: has no area; left out", "entry 5: has neither box_2d nor point; left out",
                  "entry 6: expected an object; left out", "entry 7: box_2d: corners in the wrong order, put right",
                  "entry 8: label: expected a text, taken as 'object'",
                  "entry 9: point: expected 2 numbers from 0 to 1000, found [-1, 2]; left out"));
}

TEST(Findings, OfAnAnswerThatWasCutTheWholeEntries) {
  const std::string bike(kBike);
  const Findings findings = read("```json\n[" + bike + ", " + bike + R"(, {"box_2d": [1, 2)");
  EXPECT_EQ(2u, findings.found.size());
  EXPECT_THAT(findings.notes, ElementsAre("the answer was cut: 2 whole entries"));
  EXPECT_FALSE(read_findings(R"([{"box_2d": [1, 2)").ok());
}

TEST(Findings, NoListIsAFailureOfOneLine) {
  for (const std::string& answer : {std::string("I see\nnothing."), std::string(), std::string("[1, 2, 3]"),
                                    std::string(5000, '['), std::string("{\"a\": 1}"), std::string(R"(["box_2d"])")}) {
    const Result<Findings> findings = read_findings(answer);
    ASSERT_FALSE(findings.ok()) << answer.substr(0, 20);
    EXPECT_THAT(findings.failure().message(), HasSubstr("expected a JSON list of boxes or points"));
    EXPECT_EQ(std::string::npos, findings.failure().message().find('\n'));
  }
}

TEST(Findings, SchemasAreJson) {
  const json::value boxes = parse_json(box_schema(9)).value(), points = parse_json(point_schema(9)).value();
  EXPECT_EQ(9, boxes.at("maxItems"));
  EXPECT_EQ(4, boxes.at("items").at("properties").at("box_2d").at("maxItems"));
  EXPECT_EQ(2, points.at("items").at("properties").at("point").at("maxItems"));
  EXPECT_EQ(1, points.at("items").at("properties").at("label").at("minLength"));
}

}  // namespace
}  // namespace gemma::grounding
