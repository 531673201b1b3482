// SPDX-License-Identifier: Apache-2.0
// Answers of regular expressions and of rules.
#include <gmock/gmock.h>

#include <ctime>
#include <functional>
#include <regex>

#include "grammar/answer_mask.h"
#include "grammar/automaton.h"
#include "grammar/call_walker.h"
#include "grammar/rule_text.h"

namespace gemma {
namespace {

using ::testing::HasSubstr;
using Tokens = Grammars::Tokens;

const ThoughtPlace kNoThought{-1, -1, false, false};

/** Feeds a text; control pieces are named. Whether all of it may come, and then the end. */
bool takes(const CallWalker& walker, const Grammar& grammar, std::string_view text) {
  const auto mask = grammar.mask();
  for (const int32_t id : walker.tokenizer->encode(text, Specials::control)) {
    const std::vector<int32_t> allowed = walker.allowed(*mask);
    const bool may = std::binary_search(allowed.begin(), allowed.end(), id);
    if (mask->accept(id) != may) return ADD_FAILURE() << text << ": what may come and what is taken differ", false;
    if (!may) return false;
  }
  return mask->finished() || mask->accept(walker.stops[0]);
}

TEST(RegexGrammar, AnyWalkEndsInATextThatFits) {
  CallWalker walker;
  for (const char* pattern : {"(yes|no)", "[a-c]{2,5}", "-?\\d+(\\.\\d+)?", "\"[^\"\\\\]*\"", "(a|\\{\\}|<\\|){1,4}x",
                              "\\w+ \\w+", "call:[a-z]{1,3}"}) {
    const auto made = walker.grammars.regex(pattern);
    ASSERT_TRUE(made.ok()) << made.failure().message();
    std::mt19937 random(3);
    for (int round = 0; round < 50; ++round) {
      const auto mask = made.value()->mask();
      std::string text;
      for (int i = 0; i < 500 && !mask->finished(); ++i) {
        std::vector<int32_t> ids = walker.allowed(*mask);
        ASSERT_FALSE(ids.empty());
        if (i > 20 && ids[0] <= walker.stops[1]) ids = {ids[0]};
        const int32_t id = ids[random() % ids.size()];
        ASSERT_TRUE(mask->accept(id));
        text += walker.tokenizer->bytes(id);
      }
      ASSERT_TRUE(mask->finished());
      EXPECT_TRUE(std::regex_match(text, std::regex(pattern))) << pattern << ": " << text;
    }
  }
}

TEST(RegexGrammar, EndsInTime) {
  CallWalker walker;
  const auto ends = std::make_shared<const JsonEnds>(*walker.tokenizer, walker.vocab, walker.stops);
  for (const char* pattern : {"[^\n]*\n", ".*", "(.{5})*!", "[^x]+(xyz)?abcdef", "\\d+"}) {
    const auto grammar = walker.grammars.regex(pattern).value();
    std::mt19937 random(1);
    for (int round = 0; round < 20; ++round) {
      const auto mask = answer_mask(*grammar, kNoThought, nullptr, ends, 60);
      int taken = 0;
      for (; !mask->finished(); ++taken) {
        const std::vector<int32_t> ids = walker.allowed(*mask);
        ASSERT_FALSE(ids.empty()) << pattern;
        ASSERT_TRUE(mask->accept(ids[random() % ids.size()]));
      }
      EXPECT_LE(taken, 60) << pattern;
    }
  }
}

TEST(RegexGrammar, IsKeptAndRollsBack) {
  CallWalker walker;
  const auto grammar = walker.grammars.regex("a{3}").value();
  EXPECT_EQ(grammar, walker.grammars.regex("a{3}").value());
  const auto mask = grammar->mask();
  const int32_t a = walker.id("a");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(mask->accept(a));
  EXPECT_TRUE(mask->finished());
  EXPECT_FALSE(mask->accept(a));
  mask->rollback(2);
  EXPECT_FALSE(mask->finished());
  EXPECT_EQ(std::vector<int32_t>{a}, std::vector<int32_t>{walker.allowed(*mask)[0]});
  const auto bad = walker.grammars.regex("(");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ("pattern: character 2: expected ')' for the '(' at 1, found the end", bad.failure().message());
}

constexpr const char* kSums = R"x(root ::= sum "\n"  # a sum
sum ::= product (("+" | "-") product)*
product ::= factor
          | product "*" factor
factor ::= [0-9]{1,3} | "(" sum ")" | name
name ::= [a-z_] [a-z0-9_]*
)x";

TEST(RuleGrammar, KeepsToItsRules) {
  CallWalker walker;
  const auto sums = walker.grammars.ebnf(kSums).value();
  for (const char* text : {"1\n", "1+(2*x-345)*y_1\n", "((((a))))\n"}) EXPECT_TRUE(takes(walker, *sums, text)) << text;
  for (const char* text : {"1", "1+\n", "1234\n", "(1\n", "1+<|tool_call>"})
    EXPECT_FALSE(takes(walker, *sums, text)) << text;
  const auto plain = walker.grammars
                         .ebnf(
                             "root ::= greeting \", \" [A-Z] [a-z]{0,8} (\"!\" | \".\"){2}\n"
                             "greeting ::= \"Hello\" | \"\\u00e9\\x41\\n\" | ([^\\n] \"]\")")
                         .value();
  for (const char* text : {"Hello, Ab!.", "éA\n, X..", "日], Q!!"}) EXPECT_TRUE(takes(walker, *plain, text)) << text;
  for (const char* text : {"Hello, ab!.", "Hello, Ab!", "\n], Q!!"}) EXPECT_FALSE(takes(walker, *plain, text)) << text;
}

TEST(RuleGrammar, RulesMayComeToThemselvesAnywhere) {
  CallWalker walker;
  const auto left =
      walker.grammars.ebnf("root ::= root \"+\" one | root \"-\" one | one\none ::= [0-9] | \"(\" root \")\"");
  ASSERT_TRUE(left.ok()) << left.failure().message();
  for (const char* text : {"1", "1+2-3", "(1-2)+3"}) EXPECT_TRUE(takes(walker, *left.value(), text)) << text;
  for (const char* text : {"", "+1", "1+", "(1", "1)"}) EXPECT_FALSE(takes(walker, *left.value(), text)) << text;
  const auto twice = walker.grammars.ebnf("root ::= root root | \"a\" | \"(\" root \")\"").value();
  for (const char* text : {"a", "aaa", "(a(aa))a"}) EXPECT_TRUE(takes(walker, *twice, text)) << text;
  const auto palindrome = walker.grammars.ebnf("root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"\"").value();
  EXPECT_TRUE(takes(walker, *palindrome, "abba"));
  EXPECT_FALSE(takes(walker, *palindrome, "abab"));
  const auto counted = walker.grammars.ebnf("root ::= \"(\" root \")\" | [^a]{1,500}").value();
  EXPECT_TRUE(takes(walker, *counted, "((b))"));
  EXPECT_FALSE(takes(walker, *counted, "a"));
}

/** How a server makes a small model say what a test needs. */
TEST(RuleGrammar, ForcesAnAnswerWithThoughtAndCall) {
  CallWalker walker;
  const char* rules = R"x(root ::= Token("<|channel>") "thought\nhm" Token("<channel|>") "I look."
      Token("<|tool_call>") "call:get{city:" Token( "<|\"|>" ) "Pa\"ris" Token("<|\"|>") "}" Token("<tool_call|>"))x";
  const auto made = walker.grammars.ebnf(rules, Tokens::by_name);
  ASSERT_TRUE(made.ok()) << made.failure().message();
  std::mt19937 random(1);
  const auto mask = made.value()->mask();
  const CallWalker::Walk walk = walker.walk(*mask, random, 100'000);
  EXPECT_EQ("", walk.trouble) << walk.text;
  const json::object message = assistant_message(walk.events);
  EXPECT_EQ("hm", message.at("reasoning_content"));
  EXPECT_EQ("I look.", message.at("content"));
  EXPECT_EQ("Pa\"ris", json::value(message).at_pointer("/tool_calls/0/function/arguments/city"));
  const auto again = R"x(root ::= "x" | Token("<|tool_call>") root Token("<tool_call|>"))x";
  const auto nested = walker.grammars.ebnf(again, Tokens::by_name).value();
  EXPECT_TRUE(takes(walker, *nested, "<|tool_call><|tool_call>x<tool_call|><tool_call|>"));
  EXPECT_FALSE(takes(walker, *nested, "<|tool_call>x<|tool_call>"));
}

TEST(RuleGrammar, WhatIsSaidOfABadTextIsALine) {
  CallWalker walker;
  const auto pattern = walker.grammars.regex("a{1,\n}");
  ASSERT_FALSE(pattern.ok());
  EXPECT_THAT(pattern.failure().message(), HasSubstr("found '\\x0a'"));
  const auto cut = walker.grammars.ebnf("root ::= [0-");
  ASSERT_FALSE(cut.ok());
  EXPECT_THAT(cut.failure().message(), HasSubstr("expected a character, found the end"));
  const auto rules = walker.grammars.ebnf("root ::= \x1b");
  ASSERT_FALSE(rules.ok());
  EXPECT_EQ(rules.failure().message().find('\x1b'), std::string::npos);
}

TEST(RuleGrammar, WhatIsNoneIsRefusedAtItsPlace) {
  CallWalker walker;
  const std::vector<std::pair<std::string, const char*>> cases{
      {"", "line 1, column 1: expected a rule 'root'"},
      {"root = \"a\"", "line 1, column 6: expected '::=' behind 'root', found '='"},
      {"a ::= \"x\"\n", "expected a rule 'root'"},
      {"root ::= b", "line 1, column 10: there is no rule 'b'"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: there is a rule 'root' already"},
      {"root ::= ", "line 1, column 10: expected something to match, found the end"},
      {"root ::= \"a\" | | \"b\"", "line 1, column 16: expected something to match, found '|'"},
      {"root ::= (\"a\"", "line 1, column 14: expected ')' for the '(' of line 1, column 10, found the end"},
      {"root ::= \"a\")", "expected an opening '(' before it"},
      {"root ::= \"a", "line 1, column 10: expected '\"' at the end of the text"},
      {"root ::= [a", "line 1, column 10: expected ']' at the end of the set"},
      {"root ::= [b-a]", "line 1, column 11: expected a range"},
      {"root ::= \"\\q\"", "line 1, column 11: expected a known escape"},
      {"root ::= \"a\"{2,1}", "expected the smaller number first"},
      {"root ::= \"a\"{99999}", "expected at most 10000 times"},
      {"root ::= \"a\"*+", "expected one repetition, found two"},
      {"root ::= Token(\"<|tool_call>\")", "line 1, column 10: no control tokens may be named here"},
      {"root ::= TagDispatch((\"a\", b))", "expected Token(\"<name>\"), found TagDispatch("},
      {"root ::= \"a\" (=\"b\")", "no mask keeps to a look ahead"},
      {"root ::= root | \"a\"", "the rule 'root' comes to itself again"},
      {"root ::= root", "nothing is a text of the rule 'root'"},
      {"root ::= a \"x\"\na ::= \"\" b\nb ::= a c | \"y\"\nc ::= \"z\"?", "the rule 'a' comes to itself again"},
      {"root ::= a*\na ::= a*", "comes to itself again"},
      {"root ::= \"x\" root", "nothing is a text of the rule 'root'"},
      {"root ::= [a-z\xFF]", "expected UTF-8"},
      {"root ::= a | \"x\"\na ::= \"y\"? root \"z\"", "the rule 'root' begins with itself by way of other rules"},
      {"root ::= ((\"a\" | one){1,5000} \"c\"){1,50}\none ::= [0-9]", "is too large"},
      {std::string(70'000, ' '), "expected at most 65536 bytes, found 70000"},
  };
  for (const auto& [rules, words] : cases) {
    const auto made = walker.grammars.ebnf(rules);
    ASSERT_FALSE(made.ok()) << rules;
    EXPECT_EQ("grammar", made.failure().field);
    EXPECT_THAT(made.failure().reason, HasSubstr(words)) << rules;
  }
  const auto stop = walker.grammars.ebnf("root ::= Token(\"<turn|>\")", Tokens::by_name);
  ASSERT_FALSE(stop.ok());
  EXPECT_THAT(stop.failure().reason, HasSubstr("line 1, column 16: expected a control token of this model"));
  EXPECT_FALSE(walker.grammars.ebnf("root ::= Token(\"<nobody>\")", Tokens::by_name).ok());
  EXPECT_FALSE(walker.grammars.ebnf("root ::= " + std::string(50'000, '(')).ok());
}

/** Processor time: others may be at work on the machine. */
double seconds_of(const std::function<void()>& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

TEST(TextGrammars, AreMadeSoonOrRefused) {
  std::string loops = "z", names = "r0", bodies = "\nr0 ::= \"<0>\"";
  for (int i = 0; i < 60; ++i) loops = "(?:" + loops + ")*";
  for (int i = 1; i < 1000; ++i) {
    names += fmt::format("|r{}", i);
    bodies += fmt::format("\nr{} ::= \"<{}>\"", i, i);
  }
  const std::string rules = "root ::= ((" + names + ") \"-\"){40}" + bodies;
  CallWalker walker;
  EXPECT_LT(seconds_of([&] { EXPECT_TRUE(walker.grammars.regex("(?:" + loops + "){500}").ok()); }), 5.0);
  EXPECT_LT(seconds_of([&] { EXPECT_TRUE(walker.grammars.ebnf(rules).ok()); }), 5.0);
}

TEST(TextGrammars, ARepetitionWithinOthersIsCountedOnce) {
  std::vector<Counted> counted;
  const Pattern pattern = parse_regex("(?:x[a-f]{100}){40}").value();
  ASSERT_TRUE(Automaton::of(RuleSet{{{"root", pattern, false}}, 0}, counted).ok());
  EXPECT_EQ(1u, counted.size());
}

}  // namespace
}  // namespace gemma
