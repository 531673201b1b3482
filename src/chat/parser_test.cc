// SPDX-License-Identifier: Apache-2.0
// Answers against tests/golden/chat/parse.json, cut in every way; and what must hold of the events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "base/utf8.h"
#include "chat/chat_format.h"
#include "chat/spelling.h"
#include "chat/template_value.h"

namespace gemma {
namespace {

constexpr std::string_view kTurn = "<|turn>model\n";

/** Feeds text cut before each offset that `cut` names; control tokens are always whole. */
template <class Cut>
std::vector<ChatEvent> events_of(Template which, std::string_view prefix, std::string_view text, Cut cut,
                                 bool calls_in_pieces = false) {
  ChatParser parser(which, prefix);
  if (calls_in_pieces) parser.give_calls_in_pieces();
  std::vector<ChatEvent> events = parser.prefilled();
  const auto append = [&](std::vector<ChatEvent> more) { events.insert(events.end(), more.begin(), more.end()); };
  for (const Spelled& part : split_controls(text, control_spellings(which))) {
    if (part.control) {
      append(parser.control(part.text));
      continue;
    }
    const auto offset = static_cast<size_t>(part.text.data() - text.data());
    size_t begin = 0;
    for (size_t i = 1; i <= part.text.size(); ++i) {
      if (i < part.text.size() && !cut(offset + i)) continue;
      append(parser.text(part.text.substr(begin, i - begin)));
      begin = i;
    }
  }
  append(parser.finish());
  return events;
}

std::string message_of(std::string_view prefix, std::string_view text, Template which = Template::edge) {
  return write_json(assistant_message(events_of(which, prefix, text, [](size_t) { return false; })));
}

/** The pieces of each call joined: they read as the arguments of the call that follows, if there is one. */
std::string joined_pieces(const std::vector<ChatEvent>& events) {
  std::string all, name, arguments;
  for (const ChatEvent& event : events) {
    if (const auto* piece = std::get_if<CallDelta>(&event)) {
      EXPECT_TRUE(utf8::valid(piece->json) && !piece->json.empty());
      EXPECT_TRUE(arguments.empty() || piece->name == name);
      name = piece->name;
      arguments += piece->json;
      all += piece->json;
    } else if (const auto* call = std::get_if<ToolCall>(&event)) {
      EXPECT_EQ(call->name, name);
      const Result<json::value> said = parse_json(arguments, 256, BigIntegers::keep);
      EXPECT_TRUE(said.ok() && said.value() == json::value(call->arguments)) << arguments;
      arguments.clear();
    } else {
      arguments.clear();
    }
  }
  return all;
}

/** The message of an answer, which must be the same for every way of cutting it. */
std::string checked_message(std::string_view prefix, std::string_view text, Template which = Template::edge) {
  const auto never = [](size_t) { return false; };
  const std::string whole = message_of(prefix, text, which);
  const std::string pieces = joined_pieces(events_of(which, prefix, text, never, true));
  const auto expect_same = [&](auto cut) {
    const std::vector<ChatEvent> events = events_of(which, prefix, text, cut);
    EXPECT_EQ(write_json(assistant_message(events)), whole) << text;
    for (const ChatEvent& event : events) {
      const auto* delta = std::get_if<TextDelta>(&event);
      EXPECT_TRUE(!delta || utf8::valid(delta->text));
    }
    const std::vector<ChatEvent> more = events_of(which, prefix, text, cut, true);
    EXPECT_EQ(write_json(assistant_message(more)), whole) << text;
    EXPECT_EQ(joined_pieces(more), pieces);
  };
  for (size_t at = 1; at < text.size(); ++at) expect_same([at](size_t i) { return i == at; });
  expect_same([](size_t) { return true; });
  for (unsigned n = 0; n < 20; ++n)
    expect_same([random = std::mt19937(n)](size_t) mutable { return random() % 4 == 0; });
  return whole;
}

TEST(ChatParser, GivesTheMessagesOfTheGoldenAnswers) {
  const std::string golden_text = read_file(GEMMA4_GOLDEN "/chat/parse.json");
  const Result<json::value> golden = parse_json(golden_text, 64, BigIntegers::keep);
  ASSERT_TRUE(golden.ok());
  int rows = 0;
  for (const json::value& row : golden.value().at("cases").as_array()) {
    SCOPED_TRACE(string_of(&row.at("name")));
    for (const Template which : {Template::edge, Template::large}) {
      const std::string message = checked_message(string_of(&row.at("prefix")), string_of(&row.at("text")), which);
      if (is_truthy(member(&row, "quirk"))) continue;  // accidents of the reference; ours only has to be stable
      const Result<json::value> found = parse_json(message, 64, BigIntegers::keep);
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found.value(), row.at("message")) << message;
      ++rows;
    }
  }
  EXPECT_EQ(rows, 64);
}

TEST(ChatParser, ACallThatCannotBeReadIsText) {
  for (std::string_view call :
       {"<|tool_call>call:f{a:1", "<|tool_call>call:f{a:<|\"|>x}<tool_call|>", "<|tool_call>call:f<tool_call|>",
        "<|tool_call>call:f{a:1,}<tool_call|>", "<|tool_call>call:f{a:01}<tool_call|>",
        "<|tool_call>call:f{a 1}<tool_call|>", "<|tool_call>call:f{a:1}x<tool_call|>",
        "<|tool_call>call:f[1]<tool_call|>", "<|tool_call>call:{a:1}<tool_call|>", "<|tool_call>",
        "<|tool_call><tool_call|>", "<|tool_call>cal", "<|tool_call>call: f{}<tool_call|>",
        "<|tool_call>call:f g{}<tool_call|>", "<|tool_call>call:f{a:1e999}<tool_call|>", "<|tool_call>hello"}) {
    const std::string expected = write_json(json::object{{"role", "assistant"}, {"content", call}});
    EXPECT_EQ(checked_message(kTurn, std::string(call) + "<turn|>"), expected);
    EXPECT_EQ(checked_message(kTurn, call), expected);
  }
  EXPECT_EQ(checked_message(kTurn, "<|tool_call>call:f{a:}<tool_call|><|tool_call>call:g{}<tool_call|>"),
            R"({"role": "assistant", "content": "<|tool_call>call:f{a:}<tool_call|>", )"
            R"("tool_calls": [{"type": "function", "function": {"name": "g", "arguments": {}}}]})");
}

TEST(ChatParser, AHeadOfACallIsNotWaitedForWithoutEnd) {
  const std::string name(600, 'n');
  EXPECT_THAT(checked_message(kTurn, "<|tool_call>call:" + name + "{}<tool_call|>"),
              ::testing::HasSubstr("\"content\""));
}

TEST(ChatParser, WhatSomebodyTypedIsText) {
  ChatParser parser(Template::edge);
  std::vector<ChatEvent> events = parser.text("<|channel>thought\nx<channel|> <|tool_call>call:f{}<tool_call|><turn|>");
  for (ChatEvent& event : parser.finish()) events.push_back(std::move(event));
  EXPECT_EQ(
      write_json(assistant_message(events)),
      R"({"role": "assistant", "content": "<|channel>thought\nx<channel|> <|tool_call>call:f{}<tool_call|><turn|>"})");
}

TEST(ChatParser, AQuoteThatSomebodyTypedIsPartOfTheString) {
  ChatParser parser(Template::edge);
  parser.control("<|tool_call>");
  parser.text("call:f{a:");
  parser.control("<|\"|>");
  parser.text("say <|\"|> and <tool_call|>");
  parser.control("<|image|>");
  parser.control("<|\"|>");
  parser.text("}");
  const std::vector<ChatEvent> events = parser.control("<tool_call|>");
  ASSERT_EQ(events.size(), 1u);
  const auto& call = std::get<ToolCall>(events[0]);
  EXPECT_EQ(call.name, "f");
  EXPECT_EQ(write_json(call.arguments), R"({"a": "say <|\"|> and <tool_call|><|image|>"})");
}

/** The JSON of what an answer has of its call, and "." where it is whole. */
std::string said_of_call(const std::vector<ChatEvent>& events) {
  std::string said;
  for (const ChatEvent& event : events) {
    const auto* piece = std::get_if<CallDelta>(&event);
    said += piece != nullptr ? piece->json : std::holds_alternative<ToolCall>(event) ? "." : "?";
  }
  return said;
}

TEST(ChatParser, GivesCallsInPiecesAsSoonAsTheyAreSure) {
  ChatParser parser(Template::edge);
  parser.give_calls_in_pieces();
  const auto text = [&](std::string_view bytes) { return said_of_call(parser.text(bytes)); };
  const auto quote = [&] { return said_of_call(parser.control("<|\"|>")); };
  EXPECT_EQ(said_of_call(parser.control("<|tool_call>")), "");
  EXPECT_EQ(text("call:wri"), "");
  EXPECT_EQ(std::get<CallDelta>(parser.text("te{").at(0)).name, "write");
  EXPECT_EQ(text("pa"), "");
  EXPECT_EQ(text("th:"), R"("path": )");
  EXPECT_EQ(quote(), "\"");
  EXPECT_EQ(text("a\n\"b\" \xC3"), R"(a\n\"b\" )");
  EXPECT_EQ(text("\xA9"), "\xC3\xA9");
  EXPECT_EQ(quote(), "\"");
  EXPECT_EQ(text(",n:12"), R"(, "n": )");
  EXPECT_EQ(text("3"), "");
  EXPECT_EQ(text(",l:[true,{},["), R"(123, "l": [true, {}, [)");
  EXPECT_EQ(text("-1.50"), "");
  EXPECT_EQ(text("]]}"), "-1.5]]}");
  EXPECT_EQ(said_of_call(parser.control("<tool_call|>")), ".");
}

TEST(ChatParser, OfACallThatIsCutThereIsWhatHasBeenSaid) {
  const std::vector<PromptPiece> prompt;
  ChatParser parser(Template::edge, prompt, ChatParser::Controls::left_out);
  parser.give_calls_in_pieces();
  parser.control("<|tool_call>");
  EXPECT_EQ(said_of_call(parser.text("call:f{a:1,b:")), R"({"a": 1, "b": )");
  EXPECT_TRUE(parser.finish().empty());
}

TEST(ChatParser, GivesTextAsSoonAsItIsSure) {
  ChatParser parser(Template::large);
  const auto text = [](const std::vector<ChatEvent>& events) {
    std::string out;
    for (const ChatEvent& event : events) out += std::get<TextDelta>(event).text;
    return out;
  };
  EXPECT_EQ(text(parser.text(" \n")), "");  // white space at the start is dropped
  EXPECT_EQ(text(parser.text("Hi ")), "Hi");
  EXPECT_EQ(text(parser.text("th\xC3")), " th");  // an unfinished character waits
  EXPECT_EQ(text(parser.text("\xA9")), "\xC3\xA9");
  EXPECT_EQ(text(parser.control("<|channel>")), "");
  EXPECT_EQ(text(parser.text("tho")), "");
  EXPECT_EQ(text(parser.text("mas")), "<|channel>thomas");
  EXPECT_EQ(text(parser.text(" .\xC3")), " .");
  EXPECT_EQ(text(parser.finish()), "\xC3");  // nothing is lost
  EXPECT_EQ(text(parser.text("more")), "");
  EXPECT_TRUE(parser.finish().empty());
}

TEST(ChatParser, ControlTokensAreLeftOutForPeople) {
  using Fed = std::vector<PromptPiece>;
  const auto words = [](const Fed& fed) {
    ChatParser parser(Template::edge, Fed(), ChatParser::Controls::left_out);
    std::vector<ChatEvent> events;
    const auto add = [&](const std::vector<ChatEvent>& more) { events.insert(events.end(), more.begin(), more.end()); };
    for (const PromptPiece& piece : fed) add(piece.control ? parser.control(piece.text) : parser.text(piece.text));
    add(parser.finish());
    return write_json(assistant_message(events));
  };
  const PromptPiece call{"<|tool_call>", true}, end{"<tool_call|>", true}, quote{"<|\"|>", true},
      open{"<|channel>", true};
  const std::string nothing = R"({"role": "assistant"})", hi = R"({"role": "assistant", "content": "Hi"})";
  EXPECT_EQ(words({{"Hi", false}, call}), hi);  // cut off at each place
  EXPECT_EQ(words({{"Hi", false}, call, {"ca", false}}), hi);
  EXPECT_EQ(words({{"Hi", false}, call, {"call:f{a:", false}, quote, {"x", false}}), hi);
  EXPECT_EQ(words({open}), nothing);
  EXPECT_EQ(words({open, {"thou", false}}), nothing);
  EXPECT_EQ(words({{"H", false}, {"<channel|>", true}, {"i", false}, {"<|tool>", true}}), hi);  // out of place
  EXPECT_EQ(words({open, {"thought\na", false}, {"<|tool>", true}, {"b", false}}),
            R"({"role": "assistant", "reasoning_content": "ab"})");
  EXPECT_EQ(words({call, {"call:f{a:", false}, quote, {"x", false}, quote, {"]", false}, end}),  // that cannot be read
            R"({"role": "assistant", "content": "call:f{a:\"x\"]"})");
  EXPECT_EQ(words({{"<|tool_call> is a token", false}}),  // typed in letters
            R"({"role": "assistant", "content": "<|tool_call> is a token"})");
}

TEST(ChatParser, TheEndOfTheTurnEndsTheAnswer) {
  for (std::string_view end : {"<turn|>", "<eos>", "<|tool_response>"}) {
    EXPECT_EQ(checked_message(kTurn, "Hi. " + std::string(end) + "\n<|turn>user\nmore"),
              R"({"role": "assistant", "content": "Hi."})");
    EXPECT_EQ(checked_message(kTurn, "<|channel>thought\nhm\n" + std::string(end)),
              R"({"role": "assistant", "reasoning_content": "hm"})");
  }
}

TEST(ChatParser, JoinsSeveralThoughtsAndTexts) {
  EXPECT_EQ(checked_message(kTurn, "<|channel>thought\na\n<channel|>x <|channel>thought\n b<channel|>y\n<turn|>"),
            R"({"role": "assistant", "reasoning_content": "a\n\n b", "content": "x y"})");
  EXPECT_EQ(checked_message(kTurn, "one <|tool_call>call:f{}<tool_call|> two<turn|>"),
            R"({"role": "assistant", "content": "one  two", )"
            R"("tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]})");
}

TEST(ChatParser, KnowsWhatThePromptHasOpened) {
  EXPECT_EQ(checked_message("<|turn>model\n<|channel>thought\n", "so\n<channel|>Yes<turn|>"),
            R"({"role": "assistant", "reasoning_content": "so", "content": "Yes"})");
  EXPECT_EQ(checked_message("<|turn>model\n<|channel>thought\n<channel|>", " Yes"),
            R"({"role": "assistant", "content": "Yes"})");
  EXPECT_EQ(checked_message("<|turn>model\nHello", " world"), R"({"role": "assistant", "content": "Hello world"})");
  EXPECT_EQ(checked_message("<|turn>model\nold<turn|>\n", "new"), R"({"role": "assistant", "content": "new"})");
  EXPECT_EQ(checked_message("", "Hi"), R"({"role": "assistant", "content": "Hi"})");
}

TEST(ChatParser, APromptInPiecesIsNotFooledByWhatAUserTyped) {
  const std::vector<PromptPiece> prompt = {{"<|turn>", true}, {"user\n<|turn>model\n<|channel>thought\n", false},
                                           {"<turn|>", true}, {"\n", false},
                                           {"<|turn>", true}, {"model\n", false}};
  ChatParser parser(Template::edge, prompt);
  const std::vector<ChatEvent> events = parser.text("Hi");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<TextDelta>(events[0]).text, "Hi");
  std::vector<PromptPiece> thinking = prompt;
  thinking.push_back({"<|channel>", true});
  thinking.push_back({"thought\n", false});
  EXPECT_EQ(std::get<ThoughtDelta>(ChatParser(Template::edge, thinking).text("Hi").at(0)).text, "Hi");
}

TEST(ChatParser, Gemma3IsTextUpToTheEndOfTheTurn) {
  EXPECT_EQ(checked_message("<start_of_turn>model\n", " Hi <turn|> there.\n<end_of_turn>\nx", Template::gemma3),
            R"({"role": "assistant", "content": "Hi <turn|> there."})");
  ChatParser parser(Template::gemma3);
  EXPECT_EQ(std::get<TextDelta>(parser.control("<|channel>").at(0)).text, "<|channel>");
}

TEST(ChatParser, ReadsTheCallsThatTheTemplateWrites) {
  const Result<json::value> arguments = parse_json(
      R"({"city": "São Paulo 🌧", "f": 2.5, "one": 1.0, "tiny": 1e-07, "big": 1e+21, "t": true, "z": null, "b c": [],
          "list": [1, "two", false, null, [3, {"k": "v"}]], "obj": {"B": 1, "a": {"c": "d"}}, "s": "",
          "q": "\"{x: [1],", "long": 123456789012345678901234567890, "nl": "a\nb\tc"})",
      64, BigIntegers::keep);
  ASSERT_TRUE(arguments.ok());
  const json::object function = {{"name", "f"}, {"arguments", arguments.value()}};
  const json::array messages = {{{"role", "assistant"}, {"tool_calls", json::array{{{"function", function}}}}}};
  ChatOptions options;
  options.add_generation_prompt = false;
  const auto prompt = ChatFormat(Template::edge).render(messages, {}, options);
  ASSERT_TRUE(prompt.ok());
  const std::vector<ChatEvent> events = ChatParser(Template::edge, prompt.value()).prefilled();
  ASSERT_TRUE(events.empty());  // the prompt ends in <|tool_response>: that turn is over
  const std::string text = ChatFormat::text_of(prompt.value());
  const std::string answer = text.substr(text.find("<|tool_call>"));
  const std::vector<ChatEvent> parsed = events_of(Template::edge, kTurn, answer, [](size_t) { return true; });
  ASSERT_EQ(parsed.size(), 1u);
  EXPECT_EQ(json::value(std::get<ToolCall>(parsed[0]).arguments), arguments.value());
  const auto pieces = events_of(Template::edge, kTurn, answer, [](size_t) { return true; }, true);
  EXPECT_EQ(joined_pieces(pieces), write_json(std::get<ToolCall>(parsed[0]).arguments));
}

}  // namespace
}  // namespace gemma
