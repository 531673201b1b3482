// SPDX-License-Identifier: Apache-2.0
// Whatever is drawn from what a mask allows ends in JSON that fits the schema.
#include "grammar/grammar.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <random>

#include "base/clock.h"
#include "base/file.h"
#include "engine/tiny_tokenizer.h"
#include "grammar/hurry.h"
#include "grammar/walker.h"

namespace gemma {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* name;
  const char* schema;
  std::function<bool(const json::value&)> fits;
};

bool is_box(const json::value& value) {
  const json::array* box = value.if_array();
  return box != nullptr && box->size() == 4 && std::all_of(box->begin(), box->end(), [](const json::value& each) {
           return each.is_int64() && each.get_int64() >= 0 && each.get_int64() <= 1000;
         });
}

int64_t characters(const json::value& value) {
  const json::string& text = value.as_string();
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

const std::vector<Case> kCases{
    {"boxes",
     R"({"type":"array","maxItems":6,"items":{"type":"object","properties":{"box_2d":{"type":"array","minItems":4,
         "maxItems":4,"items":{"type":"integer","minimum":0,"maximum":1000}},"label":{"type":"string","minLength":1,
         "maxLength":9}},"required":["box_2d","label"],"additionalProperties":false}})",
     [](const json::value& v) {
       return v.is_array() && v.get_array().size() <= 6 &&
              std::all_of(v.get_array().begin(), v.get_array().end(), [](const json::value& each) {
                const json::object& o = each.as_object();
                return o.size() == 2 && o.begin()->key() == "box_2d" && is_box(o.at("box_2d")) &&
                       characters(o.at("label")) >= 1 && characters(o.at("label")) <= 9;
              });
     }},
    {"anything", "{}", [](const json::value&) { return true; }},
    {"a string", R"({"type":"string"})", [](const json::value& v) { return v.is_string(); }},
    {"a short string", R"({"type":"string","maxLength":5})",
     [](const json::value& v) { return v.is_string() && characters(v) <= 5; }},
    {"one character", R"({"type":"string","minLength":1,"maxLength":1})",
     [](const json::value& v) { return v.is_string() && characters(v) == 1; }},
    {"many characters", R"({"type":"string","minLength":3,"maxLength":200})",
     [](const json::value& v) { return v.is_string() && characters(v) >= 3 && characters(v) <= 200; }},
    {"letters beyond ASCII", R"({"type":"string","pattern":"^é.$"})",
     [](const json::value& v) { return v.is_string() && characters(v) == 2 && v.as_string().starts_with("é"); }},
    {"a counted pattern", R"({"type":"string","pattern":"^[^a\"]{2,100}$"})",
     [](const json::value& v) {
       return v.is_string() && characters(v) >= 2 && characters(v) <= 100 &&
              v.as_string().find_first_of("a\"") == json::string::npos;
     }},
    {"a number", R"({"type":"number"})", [](const json::value& v) { return v.is_number(); }},
    {"a choice", R"({"enum":["a","b\"",1,null,true]})",
     [](const json::value& v) { return v == "a" || v == "b\"" || v == 1 || v.is_null() || v == true; }},
    {"a pattern", R"({"type":"string","pattern":"^[ab]{2,4}.$"})",
     [](const json::value& v) {
       return v.is_string() && characters(v) >= 3 && characters(v) <= 5 && (v.as_string()[0] | 3) == 'c';
     }},
    {"one of two, some left out",
     R"({"type":"object","properties":{"a":{"anyOf":[{"type":"integer"},{"type":"boolean"}]},"b":{"type":"null"}}})",
     [](const json::value& v) {
       const json::object* o = v.if_object();
       return o != nullptr &&
              (!o->contains("a") || o->at("a").is_int64() || o->at("a").is_bool() || o->at("a").is_double() ||
               o->at("a").is_uint64()) &&
              (!o->contains("b") || o->at("b").is_null());
     }},
    {"a list in a list",
     R"({"$defs":{"t":{"type":"array","maxItems":2,"items":{"$ref":"#/$defs/t"}}},"$ref":"#/$defs/t"})",
     [](const json::value& v) { return v.is_array() && v.get_array().size() <= 2; }},
};

class EveryCase : public ::testing::TestWithParam<Case> {};

TEST_P(EveryCase, AnyWalkEndsInJsonThatFits) {
  Walker walker;
  const auto grammar = walker.grammar(GetParam().schema);
  for (unsigned seed = 0; seed < 150; ++seed) {
    std::mt19937 random(seed);
    const auto mask = grammar->mask();
    const std::string text = walker.walk(*mask, random, seed % 3 == 0 ? 4 : 60);
    const auto value = parse_json(text);
    ASSERT_TRUE(value.ok()) << "seed " << seed << ": " << text << ": " << value.failure().message();
    EXPECT_TRUE(GetParam().fits(value.value())) << "seed " << seed << ": " << text;
  }
}

TEST_P(EveryCase, WhatIsAllowedCanGoOnAndGoBack) {
  Walker walker;
  const auto grammar = walker.grammar(GetParam().schema, Fence::either);
  std::mt19937 random(7);
  const auto mask = grammar->mask();
  for (int i = 0; i < 40 && !mask->finished(); ++i) {
    const std::vector<int32_t> ids = walker.allowed(*mask);
    ASSERT_FALSE(ids.empty());
    for (int32_t id = 0; id < walker.vocab; ++id) {
      const bool may = std::binary_search(ids.begin(), ids.end(), id);
      ASSERT_EQ(may, mask->accept(id)) << id;
      if (!may) continue;
      ASSERT_TRUE(mask->finished() || !walker.allowed(*mask).empty()) << "nothing comes after " << id;
      mask->rollback(1);
    }
    ASSERT_EQ(ids, walker.allowed(*mask));
    ASSERT_TRUE(mask->accept(ids[random() % ids.size()]));
  }
}

TEST_P(EveryCase, RollbackIsExact) {
  Walker walker;
  const auto grammar = walker.grammar(GetParam().schema);
  std::mt19937 random(11);
  for (int round = 0; round < 20; ++round) {
    const auto mask = grammar->mask();
    std::vector<int32_t> taken;
    for (int i = 0; i < 60; ++i) {
      if (!taken.empty() && (random() % 3 == 0 || mask->finished())) {
        const auto back = 1 + random() % std::min<size_t>(taken.size(), 15);
        mask->rollback(static_cast<int>(back));
        taken.resize(taken.size() - back);
      } else {
        const std::vector<int32_t> ids = walker.allowed(*mask);
        taken.push_back(ids[random() % ids.size()]);
        ASSERT_TRUE(mask->accept(taken.back()));
      }
      const auto fresh = grammar->mask();
      for (const int32_t id : taken) ASSERT_TRUE(fresh->accept(id));
      ASSERT_EQ(walker.bits_of(*fresh), walker.bits_of(*mask));
      ASSERT_EQ(fresh->finished(), mask->finished());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Grammar, EveryCase, ::testing::ValuesIn(kCases), [](const auto& each) {
  std::string name = each.param.name;
  std::replace_if(name.begin(), name.end(), [](char c) { return c == ' ' || c == ','; }, '_');
  return name;
});

TEST(Grammar, NestsNoDeeperThanAnyParserReads) {
  Walker walker;
  const auto mask = walker.grammar("{}")->mask();
  const int32_t open = *walker.tokenizer->find("["), zero = *walker.tokenizer->find("0");
  int depth = 0;
  while (mask->accept(open)) ASSERT_LT(++depth, 200);
  EXPECT_GT(depth, 90);
  EXPECT_LE(depth, 110);
  EXPECT_TRUE(mask->accept(zero));
}

TEST(Grammar, StopIdsComeWhereTheJsonMayEnd) {
  Walker walker;
  const auto mask = walker.grammar(R"({"type":"integer"})")->mask();
  EXPECT_FALSE(has(walker.bits_of(*mask), kStop));
  ASSERT_TRUE(mask->accept(*walker.tokenizer->find("7")));
  EXPECT_FALSE(mask->finished()) << "another digit may come";
  EXPECT_TRUE(has(walker.bits_of(*mask), kStop));
  EXPECT_TRUE(has(walker.bits_of(*mask), *walker.tokenizer->find("1")));
  ASSERT_TRUE(mask->accept(kStop));
  EXPECT_TRUE(mask->finished());
  EXPECT_FALSE(mask->accept(*walker.tokenizer->find("1")));
  mask->rollback(1);
  EXPECT_FALSE(mask->finished());
}

TEST(Grammar, InAHurryEveryWalkEndsSoon) {
  Walker walker;
  const auto ends = std::make_shared<const JsonEnds>(*walker.tokenizer, walker.vocab, std::vector<int32_t>{kStop});
  for (const Case& each : kCases) {
    const auto grammar = walker.grammar(each.schema, Fence::either);
    for (unsigned seed = 0; seed < 40; ++seed) {
      std::mt19937 random(seed);
      Hurry mask(grammar->mask(), 20, ends);
      std::string text;
      int taken = 0;
      for (; !mask.finished() && taken < 200; ++taken) {
        const std::vector<int32_t> ids = walker.allowed(mask);
        ASSERT_FALSE(ids.empty()) << text;
        const int32_t id = ids[random() % ids.size()];
        ASSERT_TRUE(mask.accept(id));
        if (random() % 5 == 0) {
          mask.rollback(1);
          ASSERT_EQ(ids, walker.allowed(mask));
          ASSERT_TRUE(mask.accept(id));
        }
        text += walker.tokenizer->bytes(id);
      }
      EXPECT_TRUE(mask.finished()) << each.name << ": " << text;
      EXPECT_LT(taken, 120) << text;
    }
  }
}

TEST(Grammar, AFenceMayStandAroundIt) {
  Walker walker;
  const std::string schema = R"({"type":"array","maxItems":0})";
  const auto accepts = [&](const Grammar& grammar, const std::string& text) {
    const auto mask = grammar.mask();
    for (const int32_t id : walker.tokenizer->encode(text)) {
      if (!mask->accept(id)) return false;
    }
    return mask->finished();
  };
  const auto either = walker.grammar(schema, Fence::either), none = walker.grammar(schema);
  EXPECT_TRUE(accepts(*either, "```json\n[]\n```"));
  EXPECT_TRUE(accepts(*either, "[]"));
  EXPECT_FALSE(accepts(*either, "```json\n[]"));
  EXPECT_FALSE(accepts(*none, "```json\n[]\n```"));
}

TEST(Grammar, WhatCannotBeKeptIsRefusedInOneLine) {
  Walker walker;
  const std::vector<std::pair<const char*, const char*>> cases{
      {"3", "expected an object"},
      {R"({"type":"box"})", "box"},
      {R"({"type":"string","pattern":"("})", "schema.pattern: '(', character 2: expected ')'"},
      {R"({"type":"string","pattern":"(?=a)b"})", "no mask keeps to a look ahead"},
      {R"({"type":"integer","minimum":5,"maximum":3})", "minimum"},
      {R"({"$ref":"#/x"})", "#/x"},
      {R"({"properties":{"a":{"not":{"type":"string"}}}})", "schema.properties.a.not"},
      {R"({"type":"array","uniqueItems":true})", "schema.uniqueItems"},
      {R"({"anyOf":[{"if":true}]})", "schema.anyOf[0].if"},
      {R"({"allOf":[{"type":"string"},{"type":"integer"}]})", "schema.allOf.type"},
  };
  for (const auto& [schema, word] : cases) {
    const auto made = walker.grammars.json(parse_json(schema).value(), Fence::none);
    ASSERT_FALSE(made.ok()) << schema;
    EXPECT_THAT(made.failure().message(), HasSubstr(word)) << schema;
    EXPECT_THAT(made.failure().message(), ::testing::Not(HasSubstr("\n")));
  }
  EXPECT_TRUE(
      walker.grammars.json(parse_json(R"({"properties":{"not":{"type":"string"}}})").value(), Fence::none).ok());
}

TEST(Grammar, TheLastSchemasAreKept) {
  Walker walker;
  const auto first = walker.grammar(R"({"type":"integer"})");
  EXPECT_EQ(first, walker.grammar(R"({"type" : "integer"})"));
  EXPECT_NE(first, walker.grammar(R"({"type":"integer"})", Fence::either));
  for (size_t i = 0; i < Grammars::kKept; ++i) walker.grammar(fmt::format(R"({{"const":{}}})", i));
  EXPECT_NE(first, walker.grammar(R"({"type":"integer"})"));
}

/** Figures of the vocabulary of released models are printed. */
TEST(Grammar, ServesAVocabularyOfTheUsualSize) {
  const std::string path = std::string(GEMMA4_GOLDEN) + "/../../third_party/tokenizer-gemma3/tokenizer.json";
  Walker walker{Tokenizer::from_json(path, read_file(path)), 262144};
  const int32_t stop = *walker.tokenizer->find("<end_of_turn>");
  Grammars grammars(walker.tokenizer, walker.vocab, {stop});
  auto start = Clock::now();
  ASSERT_TRUE(grammars.json(json::object(), Fence::none).ok());
  const double first = seconds_since(start);
  start = Clock::now();
  const auto grammar = grammars
                           .json(parse_json(R"({"type":"array","maxItems":2,"items":{"type":"object","properties":{
      "box_2d":{"type":"array","minItems":4,"maxItems":4,"items":{"type":"integer","minimum":0,"maximum":1000}},
      "label":{"type":"string","pattern":"^[^x]+$"}},"required":["box_2d","label"]}})")
                                     .value(),
                                 Fence::none)
                           .value();
  const double second = seconds_since(start);
  std::mt19937 random(3);
  double seconds = 0, worst = 0;
  int fills = 0;
  for (int round = 0; round < 2; ++round) {
    const auto mask = grammar->mask();
    std::string text;
    while (!mask->finished()) {
      start = Clock::now();
      std::vector<uint32_t> bits = walker.bits_of(*mask);
      const double each = seconds_since(start);
      seconds += each;
      worst = std::max(worst, each);
      ++fills;
      const std::vector<int32_t> ids = walker.allowed(*mask);
      ASSERT_FALSE(ids.empty()) << text;
      const int32_t id = ids[random() % ids.size()];
      ASSERT_TRUE(mask->accept(id));
      text += walker.tokenizer->bytes(id);
    }
    const auto value = parse_json(text);
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_TRUE(value.value().is_array());
  }
  fmt::print("vocabulary and first schema {:.0f} ms, next {:.0f} ms, fill {:.1f} us, at most {:.0f} us of {}\n",
             first * 1e3, second * 1e3, seconds / fills * 1e6, worst * 1e6, fills);
}

}  // namespace
}  // namespace gemma
