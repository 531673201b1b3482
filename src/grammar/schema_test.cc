// SPDX-License-Identifier: Apache-2.0
// No schema is taken whose answers might not fit.
#include "grammar/schema.h"

#include <gmock/gmock.h>

#include "base/clock.h"
#include "grammar/schema_validator.h"
#include "grammar/walker.h"

namespace gemma {
namespace {

using ::testing::HasSubstr;

struct Refused {
  const char *schema, *place, *word;
};

const std::vector<Refused> kRefused{
    {R"({"type":"object","properties":{"a":{}},"required":["b"],"additionalProperties":false})", "schema.required",
     "b"},
    {R"({"type":"object","required":"b"})", "schema.required", "list"},
    {R"({"type":"object","required":["b","b"]})", "schema.required", "twice"},
    {R"({"type":"boolean","enum":["x"]})", "schema.enum", "no value fits"},
    {R"({"type":"string","const":5})", "schema.const", "no value fits"},
    {R"({"type":"string","enum":["abc"],"minLength":5})", "schema.enum", "no value fits"},
    {R"({"const":"a","pattern":"b"})", "schema.pattern", "const"},
    {R"({"const":"a","enum":["b"]})", "schema.const", "enum"},
    {R"({"type":"integer","anyOf":[{"type":"boolean"}]})", "schema.type", "anyOf"},
    {R"({"$ref":"#/$defs/a","type":"integer","$defs":{"a":{}}})", "schema.type", "$ref"},
    {R"({"oneOf":[{"type":"string"}],"minLength":1})", "schema.minLength", "oneOf"},
    {R"({"properties":{"ab":{}},"patternProperties":{"^a":{"type":"null"}}})", "schema", "patternProperties"},
    {R"({"patternProperties":{"^a":{},"b$":{}}})", "schema.patternProperties", "one pattern"},
    {R"({"patternProperties":{"^a":{}},"additionalProperties":true})", "schema.additionalProperties", "pattern"},
    {R"({"properties":{"a":{}},"propertyNames":{"maxLength":2}})", "schema", "propertyNames"},
    {R"({"propertyNames":{"enum":[1]}})", "schema.propertyNames", "string"},
    {R"({"anyOf":[]})", "schema.anyOf", "not empty"},
    {R"({"allOf":[]})", "schema.allOf", "not empty"},
    {R"({"allOf":[{"minimum":1},{"minimum":2}]})", "schema.allOf.minimum", "several"},
    {R"({"allOf":[{"properties":{"a":{}}},{"properties":{"a":{"type":"null"}}}]})", "schema.allOf.properties",
     "several"},
    {R"({"allOf":[{"properties":{"a":{}}},{"additionalProperties":false}]})", "schema.allOf.additionalProperties",
     "several"},
    {R"({"allOf":[{"prefixItems":[{}]},{"items":{"type":"null"}}]})", "schema.allOf.items", "several"},
    {R"({"allOf":[{"anyOf":[{"type":"null"}]},{"type":"null"}]})", "schema.allOf.type", "anyOf"},
    {R"({"allOf":[{"type":"null"},{"$ref":"#/x"}]})", "schema.allOf[1].$ref", "#/x"},
    {R"({"enum":[]})", "schema.enum", "not empty"},
    {R"({"const":18446744073709551615})", "schema.const", "64 bits"},
    {R"({"type":"array","minItems":-1})", "schema.minItems", "-1"},
    {R"({"type":"string","maxLength":1.5})", "schema.maxLength", "1.5"},
    {R"({"type":"array","minItems":3,"maxItems":2})", "schema.maxItems", "2"},
    {R"({"items":[{"type":"null"}]})", "schema.items", "expected an object"},
    {R"({"type":"string","format":"box"})", "schema.format", "box"},
    {R"({"type":"string","format":"date","pattern":"a"})", "schema.format", "pattern"},
    {R"({"propertyNames":{"enum":["a"]},"minProperties":2})", "schema.minProperties", "twice"},
    {R"({"properties":{"a":{}},"minProperties":2})", "schema.minProperties", "1 properties"},
    {R"({"$ref":"#"})", "schema.$ref", "without an end"},
    {R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})", "schema.anyOf[0].$ref", "without an end"},
    {R"({"properties":{"a":{"$ref":"#"}},"required":["a"]})", "schema.properties.a.$ref", "without an end"},
    {R"({"$ref":"#/$defs/a~1b"})", "schema.$ref", "a~1b"},
    {R"({"type":"integer","minimum":1e30})", "schema.minimum", "1e"},
    {R"({"type":"integer","minimum":0.5})", "schema.minimum", "0.5"},
    {R"({"type":"integer","minimum":"0"})", "schema.minimum", "number"},
    {R"({"type":"number","minimum":1e-9})", "schema.minimum", "six"},
    {R"({"type":"number","multipleOf":2})", "schema.multipleOf", "integer"},
    {R"({"type":"integer","multipleOf":2,"minimum":0})", "schema.multipleOf", "bounds"},
    {R"({"type":"integer","multipleOf":7,"minimum":8,"maximum":13})", "schema.multipleOf", "no multiple"},
    {R"({"type":"integer","multipleOf":0})", "schema.multipleOf", "found 0"},
    {R"({"minLength":3,"minimum":2})", "schema", "name its type"},
    {R"({"properties":{"a":{"nullable":true}}})", "schema.properties.a.nullable", "keyword"},
    {R"({"properties":{"a":false}})", "schema.properties.a", "false"},
    {R"({"type":"array","contains":false})", "schema.contains", "keyword"},
    {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "schema.oneOf", "[0] and [1]"},
    {R"({"oneOf":[{"properties":{"a":{}}},{"type":"string"}]})", "schema.oneOf", "[0] and [1]"},
};

TEST(KeptSchema, WhatAnswersMightNotFitIsRefusedAtItsPlace) {
  for (const auto& [schema, place, word] : kRefused) {
    const auto made = kept_schema(parse_json(schema).value());
    ASSERT_FALSE(made.ok()) << schema << " -> " << write_json(made.value());
    EXPECT_EQ(place, made.failure().field) << schema << ": " << made.failure().reason;
    EXPECT_THAT(made.failure().reason, HasSubstr(word)) << schema;
  }
  const auto infinite = kept_schema(json::object{{"const", INFINITY}});
  ASSERT_FALSE(infinite.ok());
  EXPECT_EQ("schema.const", infinite.failure().field);
}

/** Whatever is drawn of a schema that is taken fits it. */
void expect_fits(Walker& walker, const json::value& schema, unsigned walks) {
  const auto made = walker.grammars.json(schema, Fence::none);
  ASSERT_TRUE(made.ok()) << write_json(schema) << ": " << made.failure().message();
  const SchemaValidator validator(schema);
  for (unsigned seed = 0; seed < walks; ++seed) {
    std::mt19937 random(seed);
    const auto mask = made.value()->mask();
    const std::string text = walker.walk(*mask, random, seed % 3 == 0 ? 4 : 40);
    if (text.ends_with("<- no end")) continue;  // a recursion may go on for long
    const auto value = parse_json(text);
    ASSERT_TRUE(value.ok()) << write_json(schema) << " gave " << text << ": " << value.failure().message();
    ASSERT_TRUE(validator.fits(value.value())) << write_json(schema) << " gave " << text;
  }
}

TEST(KeptSchema, WhatIsTakenIsKeptTo) {
  Walker walker;
  for (const char* schema : {
           R"({"type":"object","required":["b"]})",
           R"({"type":"object","properties":{"a":{"type":"boolean"}},"required":["b"]})",
           R"({"properties":{"a":{"type":"null"}},"required":["b"],"additionalProperties":{"type":"integer"}})",
           R"({"properties":{"a":{"type":"boolean"}},"additionalProperties":{"type":"string"}})",
           R"({"properties":{"é":{"type":"boolean"},"ab":{"const":1}},"required":["n"]})",
           R"({"properties":{"a\n\" ::= \\":{"type":"boolean"}},"required":["a\n\" ::= \\"]})",
           R"({"type":"string","enum":["a","abcde",5],"minLength":2})",
           R"({"enum":[1,5,2.5,1e300,"a"],"type":["integer","null"],"maximum":4})",
           R"({"minLength":3})",
           R"({"properties":{"é":{"type":"null"},"a\"b":{"type":"null"}},"additionalProperties":{"type":"integer"}})",
           R"({"anyOf":[{"type":"string","maxLength":1},{"minLength":3,"maxLength":4},{"type":"null"}]})",
           R"({"type":"string","pattern":"^[a-z]+$","minLength":3,"maxLength":5})",
           R"({"type":"string","pattern":"^[a-z_]\\w*é$","maxLength":6})",
           R"({"type":"string","pattern":"^(ab|c){2}$","maxLength":4})",
           R"({"type":"string","format":"uuid","minLength":10})",
           R"({"allOf":[{"type":"string"},{"minLength":3}]})",
           R"({"allOf":[{"$ref":"#/$defs/base"},{"properties":{"b":{"type":"boolean"}},"required":["b"]}],
               "$defs":{"base":{"allOf":[{"type":"object"}],"properties":{"a":{"type":"integer"}},"required":["a"]}}})",
           R"({"properties":{"a":{"type":"null"}},"allOf":[{"required":["a"]},{"required":["a","b"]},true]})",
           R"({"maximum":-3})",
           R"({"type":"object"})",
           R"({"type":"object","minProperties":1,"maxProperties":2})",
           R"({"type":"array","minItems":2})",
           R"({"type":["integer","string"],"minLength":2,"minimum":8})",
           R"({"$ref":"#/$defs/a","description":"x","$defs":{"a":{"allOf":[{"type":"null"}]}}})",
           R"({"type":"object","properties":{"next":{"$ref":"#"},"n":{"type":"null"}},"required":["n"]})",
           R"({"prefixItems":[{"properties":{"title":{"type":"null"}},"required":["title"]},
                              {"properties":{"title":{"type":"boolean"}},"required":["title"]}]})",
           R"({"prefixItems":[{"const":{"title":1}},{"const":{"title":2}}]})",
           R"({"patternProperties":{"^a+$":{"type":"integer"}}})",
           R"({"propertyNames":{"enum":["a","b"]},"additionalProperties":{"type":"null"},"minProperties":1})",
           R"({"oneOf":[{"type":"integer","minimum":1},{"type":"string","maxLength":2},{"type":"array"}]})",
           R"({"oneOf":[{"properties":{"a":{"const":"x"}},"required":["a"],"type":"object"},
                        {"properties":{"a":{"const":"y"},"b":{}},"required":["a"],"type":"object"}]})",
           R"({"type":"number","minimum":-0.5,"exclusiveMaximum":2})",
           R"({"type":"number","exclusiveMinimum":0,"maximum":0.001})",
           R"({"type":"integer","multipleOf":7,"minimum":-20,"maximum":50})",
           R"({"type":"integer","multipleOf":12})",
           R"({"minimum":-9000000000000000000,"maximum":12,"type":"integer"})",
       }) {
    expect_fits(walker, parse_json(schema).value(), 60);
  }
}

TEST(KeptSchema, ANameHasNoOtherSpelling) {
  Walker walker;
  const auto grammar = walker.grammar(
      R"({"properties":{"a":{"type":"boolean"},"ab":{"type":"null"}},"additionalProperties":{"type":"string"}})");
  const auto accepts = [&](std::string_view text) {
    const auto mask = grammar->mask();
    const std::vector<int32_t> ids = walker.tokenizer->encode(std::string(text));
    return std::all_of(ids.begin(), ids.end(), [&](int32_t id) { return mask->accept(id); }) && mask->finished();
  };
  EXPECT_TRUE(accepts(R"({"a":true})"));
  EXPECT_TRUE(accepts(R"({"ac":""})"));
  EXPECT_TRUE(accepts(R"({"aa\u0061":""})"));
  EXPECT_FALSE(accepts(R"({"\u0061":""})"));
  EXPECT_FALSE(accepts(R"({"a\u0062":""})"));
  EXPECT_FALSE(accepts(R"({"a":""})"));
}

/** A schema of everything that may be taken, and of some things that may not. */
class RandomSchema {
 public:
  explicit RandomSchema(unsigned seed) : random_(seed) {}
  json::value make() {
    json::object root = schema(0);
    root["$defs"] = json::object{{"d", schema(2)}};
    return root;
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool now_and_then() { return below(3) == 0; }
  template <class T>
  void maybe(json::object& out, const char* key, T value) {
    if (now_and_then()) out[key] = std::move(value);
  }
  json::value atom() {
    const json::array atoms{1,
                            0,
                            -2,
                            2.5,
                            "a",
                            "title",
                            "",
                            "é\"\\",
                            nullptr,
                            true,
                            json::object{{"title", 1}},
                            json::object{{"title", 2}},
                            json::array{1}};
    return atoms[static_cast<size_t>(below(static_cast<int>(atoms.size())))];
  }
  std::string name() {
    const char* names[] = {"a", "b", "aa", "title", "n", "é", "\\", "description"};
    return names[below(8)];
  }

  json::object schema(int depth) {
    switch (below(depth > 3 ? 5 : 10)) {
      case 0:
        return numbers();
      case 1:
        return texts();
      case 2:
        return values();
      case 3:
        return {{"type", below(2) == 0 ? "null" : "boolean"}};
      case 4:
        return now_and_then() ? json::object{{"$ref", below(2) == 0 ? "#" : "#/$defs/d"}} : json::object();
      case 5:
        return list(depth);
      case 6:
        return {{below(2) == 0 ? "anyOf" : "oneOf", json::array{schema(depth + 1), schema(depth + 1)}}};
      default:
        return record(depth);
    }
  }
  json::object numbers() {
    json::object out{{"type", below(2) == 0 ? "integer" : "number"}};
    maybe(out, "minimum", below(40) - 20);
    maybe(out, "maximum", below(200) - 20);
    maybe(out, "exclusiveMinimum", below(20) - 20);
    maybe(out, "exclusiveMaximum", below(2000) - 20);
    maybe(out, "multipleOf", below(15));
    return out;
  }
  json::object texts() {
    json::object out{{"type", "string"}};
    const char* patterns[] = {"^[ab]+$", "^a{2,3}[1b]$", "^(ab|\\d)*$", "[^a]"};
    maybe(out, "minLength", below(3));
    maybe(out, "maxLength", below(5));
    if (below(4) == 0) out["pattern"] = patterns[below(4)];
    return out;
  }
  json::object values() {
    json::object out{{"enum", json::array{atom(), atom(), atom()}}};
    if (now_and_then()) out = {{"const", atom()}};
    maybe(out, "type", json::array{"string", "integer", "object"});
    maybe(out, "maximum", 1);
    maybe(out, "minLength", 1);
    return out;
  }
  json::object list(int depth) {
    json::object out{{"type", "array"}};
    if (now_and_then()) out["prefixItems"] = json::array{schema(depth + 1), schema(depth + 1)};
    if (!now_and_then()) out["items"] = schema(depth + 1);
    maybe(out, "minItems", below(4));
    maybe(out, "maxItems", below(5));
    return out;
  }
  json::object record(int depth) {
    json::object out;
    if (below(5) != 0) out["type"] = "object";
    json::object properties;
    for (int i = below(4); i > 0; --i) properties[name()] = schema(depth + 1);
    if (below(5) != 0) out["properties"] = std::move(properties);
    maybe(out, "required", json::array{name()});
    if (now_and_then()) out["additionalProperties"] = below(3) == 0 ? json::value(false) : schema(depth + 1);
    if (below(8) == 0) out["patternProperties"] = json::object{{"^[ab]+$", schema(depth + 1)}};
    if (below(8) == 0) out["propertyNames"] = json::object{{"maxLength", 3}};
    if (below(4) == 0) out["minProperties"] = below(3);
    if (below(4) == 0) out["maxProperties"] = below(4);
    return out;
  }

  std::mt19937 random_;
};

TEST(KeptSchema, OfRandomSchemasThoseTakenAreKeptTo) {
  Walker walker;
  int taken = 0;
  for (unsigned seed = 0; seed < 1500; ++seed) {
    const json::value schema = RandomSchema(seed).make();
    if (!kept_schema(schema).ok()) continue;
    ++taken;
    expect_fits(walker, schema, 12);
    if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(taken, 300);
}

TEST(KeptSchema, ASchemaTooLargeIsRefused) {
  json::array values;
  for (int i = 0; i < 50'000; ++i) values.emplace_back(fmt::format("value {}", i));
  json::object properties;
  for (int i = 0; i < 20'000; ++i) properties[fmt::format("p{}", i)] = {{"type", "string"}};
  const auto start = Clock::now();
  for (const json::object& schema : {json::object{{"enum", values}}, json::object{{"properties", properties}}}) {
    const auto made = kept_schema(schema);
    ASSERT_FALSE(made.ok());
    EXPECT_THAT(made.failure().reason, HasSubstr("too large"));
  }
  EXPECT_LT(seconds_since(start), 2.0);
}

TEST(KeptSchema, APatternAndALengthThatCannotBeKeptTogetherAreRefused) {
  for (const char* schema :
       {R"({"type":"string","pattern":"^(ab|c)+$","maxLength":4})",
        R"({"type":"string","pattern":"^a+b+$","minLength":4})", R"({"type":"string","pattern":"^abc$","maxLength":2})",
        R"({"type":"string","pattern":"^ab*$","maxLength":0})",
        R"({"type":"string","pattern":"^a{2,3}$","minLength":4})",
        R"({"type":"string","format":"date","maxLength":9})"}) {
    const auto made = kept_schema(parse_json(schema).value());
    ASSERT_FALSE(made.ok()) << schema;
    EXPECT_THAT(made.failure().message(), HasSubstr("and to a length together")) << schema;
  }
}

TEST(KeptSchema, PatternsTooLargeTogetherAreRefusedSoon) {
  Walker walker;
  std::string pattern = "(ab?|b)*a";
  for (int i = 0; i < 12; ++i) pattern += "(a|b)";
  json::object properties;
  for (int i = 0; i < 40; ++i) {
    properties[fmt::format("p{}", i)] = {{"type", "string"}, {"pattern", fmt::format("{}{}", pattern, i)}};
  }
  const auto start = Clock::now();
  const auto made = walker.grammars.json(json::object{{"properties", properties}}, Fence::none);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.failure().message(),
              HasSubstr("and the patterns before it take a table of more than 100000 states"));
  EXPECT_LT(seconds_since(start), 10.0);
}

}  // namespace
}  // namespace gemma
