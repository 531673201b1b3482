// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "grammar/answer_mask.h"
#include "grammar/call_mask.h"
#include "grammar/call_walker.h"
#include "grammar/schema_validator.h"

namespace gemma {
namespace {

using ::testing::HasSubstr;

json::object tool(std::string_view name, const json::value& parameters) {
  json::object function{{"name", name}, {"description", "d"}};
  if (!parameters.is_null()) function["parameters"] = parameters;
  return {{"type", "function"}, {"function", function}};
}
json::array one_tool(std::string_view parameters) { return {tool("get", parse_json(parameters).value())}; }
const CallOptions kRequired{Calls::required, "", true};

/** As a client reads them: numbers that 64 bits do not hold are doubles. */
json::value read_back(const json::object& arguments) { return parse_json(write_json(arguments)).value(); }

const std::vector<const char*> kSchemas{
    R"({"type":"object","properties":{}})",
    R"({"type":"object"})",
    R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})",
    R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":14}}})",
    R"({"type":"object","properties":{"b":{"type":"number"},"a":{"type":"boolean"},"c":{"type":"null"}},)"
    R"("required":["b"]})",
    R"({"type":"object","properties":{"Zeta":{"type":"integer"},"alpha":{"type":"integer"},"beta":{}},)"
    R"("required":["alpha"]})",
    R"({"properties":{"unit":{"enum":["c","f"]}},"required":["unit"]})",
    R"({"type":"object","properties":{"e":{"enum":["a\"b","{","}","<|\"|>","\n",""," ","日本",1,-2.5,null,)"
    R"(true,[1,"x"],{"k":"v","a:b":[]}]}},"required":["e"]})",
    R"({"type":"object","properties":{"n":{"const":1e3},"m":{"const":-0.5},"k":{"const":"{}"}},)"
    R"("required":["n","m","k"]})",
    R"({"type":"object","properties":{"a:b":{"type":"string"},"":{"type":"integer"}," x ":{"type":"null"},)"
    R"("q\"u":{"type":"boolean"},"{}":{"type":"string"},"new\nline":{"type":"null"},)"
    R"("<|\"|>":{"type":"null"},"tab\tx":{"type":"null"}},"required":["a:b",""," x ","q\"u","{}",)"
    R"("new\nline","<|\"|>","tab\tx"]})",
    R"({"type":"object","properties":{"first name":{"type":"string"},"naïve":{"type":"string"},)"
    R"("日本":{"type":"string"},"x\u0000y":{"type":"string"},"\u00a0":{"type":"null"},"\\":{"type":"null"}},)"
    R"("required":["日本","x\u0000y","\u00a0","\\"]})",
    R"({"type":"object","properties":{"l":{"type":"array","items":{"type":"string"}}},"required":["l"]})",
    R"({"type":"object","properties":{"l":{"type":"array","items":{"type":"integer"},"minItems":2,)"
    R"("maxItems":3}},"required":["l"]})",
    R"({"type":"object","properties":{"l":{"type":"array","items":{"type":"integer"},"maxItems":0},)"
    R"("m":{"type":"array","items":{"type":"boolean"},"maxItems":1},"n":{"type":"array","minItems":1,)"
    R"("items":{"type":"boolean"}}},"required":["l","m","n"]})",
    R"({"type":"object","properties":{"l":{"type":"array","prefixItems":[{"type":"string"},)"
    R"({"type":"integer"}],"items":false}},"required":["l"]})",
    R"({"type":"object","properties":{"l":{"type":"array","prefixItems":[{"type":"string"},)"
    R"({"type":"integer"}],"items":{"type":"null"},"minItems":1,"maxItems":4}},"required":["l"]})",
    R"({"type":"object","properties":{"o":{"type":"object","properties":{"x":{"type":"object",)"
    R"("properties":{"y":{"type":"string"}},"required":["y"]}},"required":["x"]}},"required":["o"]})",
    R"({"type":"object","properties":{"v":{"anyOf":[{"type":"string"},{"type":"integer"},)"
    R"({"type":"null"}]}},"required":["v"]})",
    R"({"type":"object","properties":{"v":{"anyOf":[{"enum":["auto","none"]},{"type":"string",)"
    R"("pattern":"^[0-9]{2,3}$"},{"type":"string","maxLength":2}]}},"required":["v"]})",
    R"({"type":"object","properties":{"v":{"type":["string","number","null"],"maxLength":3,"minimum":0}},)"
    R"("required":["v"]})",
    R"({"type":"object","properties":{"v":{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},)"
    R"("n":{"type":"integer"}},"required":["k","n"]},{"type":"object","properties":{"k":{"const":"b"},)"
    R"("n":{"type":"string"}},"required":["k","n"]}]}},"required":["v"]})",
    R"({"anyOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"type":"object",)"
    R"("properties":{"b":{"type":"string"}},"required":["b"]}]})",
    R"({"type":"object","properties":{"s":{"type":"string","minLength":2,"maxLength":4}},"required":["s"]})",
    R"({"type":"object","properties":{"s":{"type":"string","minLength":5},"t":{"type":"string",)"
    R"("maxLength":0},"u":{"type":"string","minLength":1,"maxLength":1}},"required":["s","t","u"]})",
    R"({"type":"object","properties":{"p":{"type":"string","pattern":"^(a|b{2,3})+c?[A-C\"}{]$"}},"required":["p"]})",
    R"({"type":"object","properties":{"p":{"type":"string","pattern":"\\d+(\\.\\d{1,2})?|[A-Z]\\w*"},)"
    R"("q":{"type":"string","pattern":"^[{}\\[\\]\":,<|>\\\\]{1,8}$"}},"required":["p","q"]})",
    R"({"type":"object","properties":{"n":{"type":"number","minimum":-1.5,"maximum":2.25},)"
    R"("m":{"type":"number","exclusiveMinimum":0},"i":{"type":"integer","exclusiveMaximum":10},)"
    R"("k":{"type":"integer","multipleOf":7}},"required":["n","m","i","k"]})",
    R"({"type":"object","properties":{"i":{"type":"integer","minimum":-9000000000000000000,)"
    R"("maximum":9000000000000000000},"j":{"type":"integer","minimum":123456789012345}},"required":["i",)"
    R"("j"]})",
    R"({"type":"object","additionalProperties":{"type":"integer"}})",
    R"({"type":"object","properties":{"a":{"type":"string"},"ab":{"type":"null"},"a c":{"type":"null"}},)"
    R"("additionalProperties":{"type":"boolean"}})",
    R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"string"}},)"
    R"("minProperties":1,"maxProperties":2,"additionalProperties":false})",
    R"({"type":"object","properties":{"a":{"type":"boolean"},"b":{"type":"boolean"},)"
    R"("c":{"type":"boolean"}},"required":["b"],"minProperties":2})",
    R"({"type":"object","patternProperties":{"^[a-c]{1,3}$":{"type":"integer"}},"minProperties":1})",
    R"({"type":"object","propertyNames":{"enum":["x","y:z"]},"additionalProperties":{"type":"string",)"
    R"("maxLength":2}})",
    R"({"type":"object","propertyNames":{"maxLength":3,"minLength":1},"additionalProperties":{"type":"null"}})",
    R"({"type":"object","properties":{"any":{}},"required":["any"]})",
    R"({"type":"object","properties":{"any":{"type":"array"},"o":{"type":"object"}},"required":["any","o"]})",
    R"({"$defs":{"t":{"type":"object","properties":{"v":{"type":"integer"},)"
    R"("next":{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}]}},"required":["v","next"]}},)"
    R"("$ref":"#/$defs/t"})",
    R"({"type":"object","properties":{"tree":{"$ref":"#"}},"additionalProperties":false})",
    R"({"type":"object","properties":{"l":{"$ref":"#/definitions/l"}},"required":["l"],)"
    R"("definitions":{"l":{"type":"array","items":{"$ref":"#/definitions/l"},"maxItems":2}}})",
};

class EverySchema : public ::testing::TestWithParam<size_t> {};

TEST_P(EverySchema, AnyWalkIsReadBackAsCallsThatFit) {
  CallWalker walker;
  const char* schema = kSchemas[GetParam()];
  const SchemaValidator validator(parse_json(schema).value());
  const auto made = walker.grammars.tool_calls(one_tool(schema), kRequired);
  ASSERT_TRUE(made.ok()) << made.failure().message();
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  for (int round = 0; round < 60; ++round) {
    const auto mask = made.value()->mask();
    const CallWalker::Walk walk = walker.walk(*mask, random, round % 3 == 0 ? 0 : 40);
    ASSERT_EQ("", walk.trouble) << walk.text;
    ASSERT_FALSE(walk.events.empty()) << walk.text;
    for (const ChatEvent& event : walk.events) {
      const auto* call = std::get_if<ToolCall>(&event);
      ASSERT_NE(nullptr, call) << walk.text;
      EXPECT_EQ("get", call->name);
      ASSERT_TRUE(validator.fits(read_back(call->arguments))) << walk.text << "\n" << write_json(call->arguments);
    }
  }
}

TEST_P(EverySchema, WhatIsAllowedIsAcceptedAndRollbackIsExact) {
  CallWalker walker;
  const auto made = walker.grammars.tool_calls(one_tool(kSchemas[GetParam()]), {});
  ASSERT_TRUE(made.ok()) << made.failure().message();
  std::mt19937 random(static_cast<unsigned>(GetParam()) + 100);
  const auto mask = made.value()->mask();
  ASSERT_TRUE(mask->free());
  ASSERT_TRUE(mask->accept(walker.id("a")));
  ASSERT_TRUE(mask->accept(walker.id("<|tool_call>")));
  std::vector<std::vector<int32_t>> allowed;
  std::vector<int32_t> taken;
  while (!mask->finished() && taken.size() < 60) {
    allowed.push_back(walker.allowed(*mask));
    ASSERT_FALSE(allowed.back().empty());
    for (int32_t id = 0; id < walker.vocab; ++id) {
      const bool may = std::binary_search(allowed.back().begin(), allowed.back().end(), id);
      ASSERT_EQ(may, mask->accept(id)) << id;
      if (may) mask->rollback(1);
    }
    ASSERT_EQ(allowed.back(), walker.allowed(*mask));
    taken.push_back(allowed.back()[random() % allowed.back().size()]);
    ASSERT_TRUE(mask->accept(taken.back()));
    if (random() % 4 != 0) continue;
    const int back = static_cast<int>(random() % taken.size()) + 1;
    mask->rollback(back);
    ASSERT_EQ(allowed[allowed.size() - static_cast<size_t>(back)], walker.allowed(*mask));
    for (auto i = taken.size() - static_cast<size_t>(back); i < taken.size(); ++i) {
      ASSERT_TRUE(mask->accept(taken[i]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ToolCalls, EverySchema, ::testing::Range(size_t{0}, kSchemas.size()));

/** Each call of a walk as the template prints it, which is how models have read theirs. */
TEST(ToolCalls, WhatTheTemplateWritesMayCome) {
  CallWalker walker;
  int printed = 0;
  for (const char* schema : kSchemas) {
    const auto grammar = walker.grammars.tool_calls(one_tool(schema), {Calls::required, "", false}).value();
    std::mt19937 random(5);
    for (int round = 0; round < 20; ++round) {
      const auto mask = grammar->mask();
      const CallWalker::Walk walk = walker.walk(*mask, random, 20);
      const auto& call = std::get<ToolCall>(walk.events.at(0));
      const std::string arguments = write_json(call.arguments);
      // Names that the template writes bare though they cannot be read back, and exponents of three digits.
      if (arguments.find_first_of("eE") != std::string::npos || walk.text.find("|>:") != std::string::npos) continue;
      const json::object function{{"name", call.name}, {"arguments", call.arguments}};
      const json::array messages{{{"role", "assistant"}, {"tool_calls", json::array{{{"function", function}}}}}};
      const auto pieces = ChatFormat(Template::edge).render(messages, {}, {}).value();
      const auto again = grammar->mask();
      bool within = false;
      for (const int32_t id : ChatFormat::tokens_of(pieces, *walker.tokenizer)) {
        within = within || id == walker.id("<|tool_call>");
        if (!within || again->finished()) continue;
        ASSERT_TRUE(again->accept(id)) << ChatFormat::text_of(pieces) << " at " << walker.tokenizer->piece(id);
      }
      EXPECT_TRUE(again->finished());
      ++printed;
    }
  }
  EXPECT_GT(printed, 300);
}

/** Feeds what a model would say; control pieces are named in the text. Returns what could not come. */
std::string feed(const CallWalker& walker, TokenMask& mask, std::string_view text) {
  for (const int32_t id : walker.tokenizer->encode(text, Specials::control)) {
    if (!mask.accept(id)) return std::string(walker.tokenizer->piece(id));
  }
  return "";
}

TEST(ToolCalls, AreWhatTheTemplateWrites) {
  CallWalker walker;
  const auto grammar =
      walker.grammars
          .tool_calls(
              one_tool(R"({"type":"object","properties":{"b":{"type":"string"},"A":{"type":"array","items":{"type":
              "object","properties":{"y":{"type":"number"},"x":{"type":"boolean"}}}}},"required":["A","b"]})"),
              {Calls::required, "", false})
          .value();
  const auto mask = grammar->mask();
  EXPECT_EQ("",
            feed(walker, *mask, "<|tool_call>call:get{A:[{x:true,y:-1.5e3},{}],b:<|\"|>it's \"x\"<|\"|>}<tool_call|>"));
  EXPECT_TRUE(mask->finished());
}

TEST(ToolCalls, TheSpellingOfADelimiterIsNone) {
  CallWalker walker;
  const auto made = walker.grammars.tool_calls(
      one_tool(R"({"type":"object","properties":{"s":{"type":"string"}},"required":["s"]})"), kRequired);
  const auto mask = made.value()->mask();
  ASSERT_EQ("", feed(walker, *mask, "<|tool_call>call:get{s:"));
  EXPECT_FALSE(mask->accept(walker.id("<|\"")));
  EXPECT_FALSE(mask->accept(walker.id("<")));
  EXPECT_FALSE(mask->accept(walker.id("\"")));
  ASSERT_TRUE(mask->accept(walker.id("<|\"|>")));
  for (const char* piece : {"<|\"", "|>", "}", "<|", "tool", "}", "\n\n"}) ASSERT_TRUE(mask->accept(walker.id(piece)));
  EXPECT_FALSE(mask->accept(walker.id("<tool_call|>"))) << "no control piece but the quote comes in a string";
  EXPECT_FALSE(mask->accept(walker.id("<|image|>")));
  EXPECT_FALSE(mask->accept(walker.id("<turn|>")));
  EXPECT_EQ("", feed(walker, *mask, "<|\"|>}<tool_call|>"));
}

TEST(ToolCalls, ChoiceSaysWhichAndHowMany) {
  CallWalker walker;
  const json::array tools{tool("a", nullptr), tool("ab", json::object()),
                          tool("no.3", parse_json(R"({"type":"object"})").value())};
  const auto mask = [&](CallOptions options) { return walker.grammars.tool_calls(tools, options).value()->mask(); };
  const int32_t open = walker.id("<|tool_call>"), stop = walker.id("<turn|>");
  auto required = mask({Calls::required, "", true});
  EXPECT_EQ(std::vector<int32_t>{open}, walker.allowed(*required));
  ASSERT_EQ("", feed(walker, *required, "<|tool_call>call:ab{}<tool_call|>"));
  EXPECT_FALSE(required->finished());
  EXPECT_TRUE(required->accept(open)) << "another one may come";
  required->rollback(1);
  EXPECT_TRUE(required->accept(stop));
  EXPECT_TRUE(required->finished());
  auto single = mask({Calls::required, "", false});
  ASSERT_EQ("", feed(walker, *single, "<|tool_call>call:no.3{x:1}<tool_call|>"));
  EXPECT_TRUE(single->finished());
  EXPECT_FALSE(single->accept(open));
  auto named = mask({Calls::required, "ab", true});
  EXPECT_EQ("{", feed(walker, *named, "<|tool_call>call:a{}"));
  EXPECT_EQ("", feed(walker, *named, "b{}<tool_call|>"));
}

TEST(ToolCalls, TextIsFreeUntilACallBegins) {
  CallWalker walker;
  const auto made = walker.grammars.tool_calls(one_tool(R"({"type":"object","properties":{}})"), {});
  const auto mask = made.value()->mask();
  ASSERT_EQ("", feed(walker, *mask, "I call: <tool_call|>call:x{<|channel>"));
  EXPECT_TRUE(mask->free());
  EXPECT_FALSE(mask->finished());
  ASSERT_EQ("", feed(walker, *mask, "<|tool_call>"));
  EXPECT_FALSE(mask->free());
  EXPECT_EQ("x", feed(walker, *mask, "call:x"));
  EXPECT_EQ("", feed(walker, *mask, "get{}<tool_call|>"));
  EXPECT_FALSE(mask->accept(walker.id("a"))) << "behind a call only calls come";
  EXPECT_EQ("", feed(walker, *mask, "<|tool_call>call:get{}<tool_call|><|tool_response>"));
  EXPECT_TRUE(mask->finished());
  mask->rollback(1);
  EXPECT_FALSE(mask->finished());
  const auto plain = made.value()->mask();
  EXPECT_EQ("", feed(walker, *plain, "no call<turn|>"));
  EXPECT_TRUE(plain->finished());
}

TEST(ToolCalls, OrAFormInTheirStead) {
  CallWalker walker;
  const json::value schema = parse_json(R"({"properties":{"n":{"enum":[1,2]}},"required":["n"]})").value();
  const auto form = walker.grammars.json(schema, Fence::none).value();
  const json::array tools = one_tool(R"({"properties":{"m":{"type":"boolean"}},"required":["m"]})");
  const int32_t open = walker.id("<|tool_call>");
  const auto either = calls_or_form(walker.grammars.tool_calls(tools, kRequired).value(), form, open);
  const auto mask = either->mask();
  const std::vector<int32_t> first = walker.allowed(*mask);
  EXPECT_THAT(first, ::testing::IsSupersetOf({open, walker.id("{"), walker.id("{\"")}));
  EXPECT_THAT(first, ::testing::Not(::testing::Contains(walker.id("a"))));
  ASSERT_EQ("", feed(walker, *mask, "<|tool_call>call:get{m:true}<tool_call|>"));
  EXPECT_FALSE(mask->accept(walker.id("{"))) << "behind a call only calls come";
  mask->rollback(static_cast<int>(std::string_view("call:get{m:true}").size()) + 2);
  EXPECT_EQ(first, walker.allowed(*mask)) << "from the beginning it is open again";
  EXPECT_EQ("3", feed(walker, *mask, "{\"n\":3}"));
  EXPECT_FALSE(mask->accept(open)) << "the form holds no calls";
  EXPECT_EQ("", feed(walker, *mask, "2}"));
  EXPECT_TRUE(mask->finished());
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    const auto walk = walker.walk(*either->mask(), random);
    ASSERT_EQ("", walk.trouble) << walk.text;
  }
}

TEST(ToolCalls, OrAFormBehindAThought) {
  CallWalker walker;
  const auto form = walker.grammars.regex("[ab]{1,90}").value();
  const auto calls = walker.grammars.tool_calls(one_tool(R"({"type":"object"})"), kRequired).value();
  const auto either = calls_or_form(calls, form, walker.id("<|tool_call>"));
  const auto ends = std::make_shared<const JsonEnds>(*walker.tokenizer, walker.vocab, walker.stops);
  const ThoughtPlace place{walker.id("<|channel>"), walker.id("<channel|>")};
  const auto mask = answer_mask(*either, place, nullptr, ends, 8);
  const auto begins = ::testing::IsSupersetOf({walker.id("<|tool_call>"), walker.id("a"), walker.id("ab")});
  const auto thinks = ::testing::Contains(walker.id("<|channel>"));
  EXPECT_THAT(walker.allowed(*mask), ::testing::AllOf(begins, thinks));
  ASSERT_EQ("", feed(walker, *mask, "<|channel>a<channel|>"));
  EXPECT_THAT(walker.allowed(*mask), ::testing::AllOf(begins, ::testing::Not(thinks)));
  ASSERT_EQ("", feed(walker, *mask, "ab"));
  EXPECT_EQ(walker.stops, walker.allowed(*mask)) << "half of its tokens are used, and it may end";
}

TEST(ToolCalls, WhatCannotBeKeptIsRefusedWithItsPlace) {
  CallWalker walker;
  const auto message = [&](const json::array& tools, const CallOptions& options = {}) {
    const auto made = walker.grammars.tool_calls(tools, options);
    return made.ok() ? "" : made.failure().message();
  };
  EXPECT_THAT(message({}), HasSubstr("tools: expected at least one"));
  EXPECT_THAT(message({3}), HasSubstr("tools[0]: expected an object, found a number"));
  EXPECT_THAT(message({json::object{{"type", "web"}}}),
              HasSubstr("tools[0].type: expected \"function\", found \"web\""));
  EXPECT_THAT(message({json::object()}), HasSubstr("tools[0].function: expected an object, found nothing"));
  EXPECT_THAT(message({tool("a b", nullptr)}), HasSubstr("tools[0].function.name: expected 1 to 256 letters"));
  EXPECT_THAT(message({tool("a", nullptr), tool("a", nullptr)}), HasSubstr("tools[1].function.name"));
  EXPECT_THAT(message({tool("a", nullptr)}, {Calls::required, "b", true}), HasSubstr("tool_choice: expected the name"));
  const auto schema = [&](const char* text) { return message(one_tool(text)); };
  const std::string at = "tools[0].function.parameters";
  EXPECT_THAT(schema(R"({"type":"string"})"), HasSubstr(at + ": expected a schema of objects"));
  EXPECT_THAT(schema(R"({"type":"object","not":{}})"), HasSubstr(at + ".not: a mask cannot keep to this keyword"));
  EXPECT_THAT(schema(R"({"properties":{"a":{"items":{"if":1}}}})"), HasSubstr(at + ".properties.a.items.if: "));
  EXPECT_THAT(schema(R"({"properties":{"a":{"enum":[]}}})"), HasSubstr(at + ".properties.a.enum: "));
  EXPECT_THAT(schema(R"x({"properties":{"a":{"type":"string","pattern":"x(?=y)"}}})x"),
              HasSubstr(at + ".properties.a.pattern: 'x(?=y)', character 2: no mask keeps to a look ahead"));
  EXPECT_THAT(schema(R"({"properties":{"a":{"type":"string","pattern":"((ab?){1,5000}c){1,50}"}}})"),
              HasSubstr(at + ".properties.a.pattern: '((ab?){1,5000}c){1,50}' is too large"));
  EXPECT_THAT(schema(R"({"properties":{"a":{"type":"string","pattern":"a^"}}})"), HasSubstr("no text fits it"));
}

TEST(ToolCalls, NeedTheTokensOfThisSyntax) {
  const auto tokenizer = tiny_tokenizer({{"<end_of_turn>", Tiny::control}, {"<|tool_call>", Tiny::normal}});
  Grammars grammars(tokenizer, tokenizer->size(), {0});
  const auto made = grammars.tool_calls({tool("a", nullptr)}, {});
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.failure().message(), HasSubstr("tools: this model's tokenizer has no tokens of tool calls"));
}

TEST(ToolCalls, EndBeforeTheTokensRunOut) {
  CallWalker walker;
  const auto ends = std::make_shared<const JsonEnds>(*walker.tokenizer, walker.vocab, walker.stops);
  for (size_t i = 0; i < kSchemas.size(); ++i) {
    const auto made = walker.grammars.tool_calls(one_tool(kSchemas[i]), kRequired);
    std::mt19937 random(static_cast<unsigned>(i));
    for (int round = 0; round < 10; ++round) {
      ThoughtPlace place;
      place.may_open = false;
      const auto mask = answer_mask(*made.value(), place, nullptr, ends, 40);
      const CallWalker::Walk walk = walker.walk(*mask, random, 100'000);
      ASSERT_EQ("", walk.trouble) << walk.text;
      EXPECT_LT(walk.ids.size(), 400u) << walk.text;
    }
  }
}

TEST(ToolCalls, AThoughtIsFreeBeforeThem) {
  CallWalker walker;
  const auto made = walker.grammars.tool_calls(one_tool(R"({"type":"object","properties":{}})"), kRequired);
  const auto ends = std::make_shared<const JsonEnds>(*walker.tokenizer, walker.vocab, walker.stops);
  const ThoughtPlace place{walker.id("<|channel>"), walker.id("<channel|>")};
  const auto mask = answer_mask(*made.value(), place, nullptr, ends, 0);
  EXPECT_EQ((std::vector<int32_t>{walker.id("<|tool_call>"), walker.id("<|channel>")}), walker.allowed(*mask));
  ASSERT_EQ("", feed(walker, *mask, "<|channel>hm <|tool_call>x<channel|>"));
  EXPECT_EQ(std::vector<int32_t>{walker.id("<|tool_call>")}, walker.allowed(*mask));
}

}  // namespace
}  // namespace gemma
