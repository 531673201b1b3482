// SPDX-License-Identifier: Apache-2.0
// Prompts against what Google's templates print (tests/golden/chat), and what must hold of their pieces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/file.h"
#include "chat/chat_format.h"
#include "chat/spelling.h"
#include "chat/template_value.h"

namespace gemma {
namespace {

const std::string kGolden = GEMMA4_GOLDEN "/chat/";

json::value parsed(std::string_view text) {
  Result<json::value> value = parse_json(text, 256, BigIntegers::keep);
  GEMMA_CHECK(value.ok(), value ? "" : value.failure().reason);
  return std::move(value).value();
}

using Prompt = Result<std::vector<PromptPiece>>;

Prompt render_row(Template which, const json::value& row) {
  const TemplateValue kwargs = member(&row, "kwargs"), tools = member(&row, "tools");
  ChatOptions options;
  options.add_generation_prompt = is_truthy(member(kwargs, "add_generation_prompt"));
  options.enable_thinking = is_truthy(member(kwargs, "enable_thinking"));
  options.preserve_thinking = is_truthy(member(kwargs, "preserve_thinking"));
  return ChatFormat(which).render(row.at("messages").as_array(), is_array(tools) ? tools->get_array() : json::array(),
                                  options);
}

/** A control piece is one token, two pieces of text are never neighbours, none is empty. */
void expect_sound(Template which, const std::vector<PromptPiece>& pieces) {
  const auto controls = control_spellings(which);
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_FALSE(pieces[i].text.empty());
    if (pieces[i].control) {
      EXPECT_NE(std::find(controls.begin(), controls.end(), pieces[i].text), controls.end()) << pieces[i].text;
    } else if (i > 0) {
      EXPECT_TRUE(pieces[i - 1].control);
    }
  }
}

/** Returns whether the row is one that the template refuses. */
bool expect_row(Template which, const json::value& row, std::string_view expected_field) {
  const TemplateValue expected = member(&row, expected_field);
  const Prompt prompt = render_row(which, row);
  if (!expected) {
    EXPECT_FALSE(prompt.ok()) << write_json(row);
    EXPECT_TRUE(prompt.ok() || !prompt.failure().field.empty()) << write_json(row);
    return true;
  }
  EXPECT_TRUE(prompt.ok()) << prompt.failure().message() << "\n" << write_json(row);
  if (!prompt) return false;
  EXPECT_EQ(ChatFormat::text_of(prompt.value()), string_of(expected)) << write_json(row);
  expect_sound(which, prompt.value());
  return false;
}

TEST(Render, PrintsWhatGooglesTemplatesPrint) {
  for (const Template which : {Template::edge, Template::large}) {
    const json::value golden = parsed(read_file(kGolden + fmt::format("render_{}.json", name_of(which))));
    int refused = 0;
    for (const json::value& row : golden.at("cases").as_array()) {
      SCOPED_TRACE(string_of(&row.at("name")));
      refused += expect_row(which, row, "expected");
    }
    EXPECT_EQ(golden.at("cases").as_array().size(), 81u);
    EXPECT_EQ(refused, 2);
  }
}

class Templates : public ::testing::TestWithParam<Template> {};

TEST_P(Templates, PrintTheSameForRandomConversations) {
  std::istringstream lines(read_file(kGolden + fmt::format("random_{}.jsonl", name_of(GetParam()))));
  int rows = 0, refused = 0;
  for (std::string line; std::getline(lines, line); ++rows) refused += expect_row(GetParam(), parsed(line), "prompt");
  EXPECT_GT(rows, 140);
  EXPECT_GT(refused, 10);
  EXPECT_LT(refused, 60);
}

TEST_P(Templates, NeverMakeControlTokensOfWhatAUserTyped) {
  std::string words;
  for (std::string_view control : control_spellings(GetParam())) words += control;
  const json::value text = json::string(words);
  const json::array messages = {{{"role", "user"}, {"content", text}},
                                {{"role", "assistant"}, {"content", "ok"}},
                                {{"role", "user"}, {"content", json::array{{{"type", "text"}, {"text", text}}}}}};
  const json::object function = {{"name", text}, {"description", text}};
  const json::array tools = {{{"type", "function"}, {"function", function}}};
  const Prompt prompt = ChatFormat(GetParam()).render(messages, tools, {});
  ASSERT_TRUE(prompt.ok());
  int whole = 0;
  for (const PromptPiece& piece : prompt.value())
    whole += !piece.control && piece.text.find(words) != std::string::npos;
  EXPECT_EQ(whole, GetParam() == Template::gemma3 ? 2 : 4);
  expect_sound(GetParam(), prompt.value());
}

INSTANTIATE_TEST_SUITE_P(, Templates, ::testing::Values(Template::edge, Template::large, Template::gemma3),
                         [](const auto& i) { return std::string(name_of(i.param)); });

std::string failure_of(std::string_view messages, std::string_view tools = "[]", Template which = Template::edge) {
  const Prompt prompt = ChatFormat(which).render(parsed(messages).as_array(), parsed(tools).as_array(), {});
  return prompt ? "accepted" : prompt.failure().message();
}

TEST(Render, FailuresNameTheField) {
  EXPECT_EQ(failure_of(R"([5])"), "messages[0]: expected an object, found a number");
  EXPECT_EQ(failure_of(R"([{"role": "user"}, {"content": "x"}])"),
            "messages[1].role: expected a string, found nothing");
  EXPECT_EQ(failure_of(R"([{"role": "user", "content": 5}])"),
            "messages[0].content: expected a string, an array of parts or null, found a number");
  EXPECT_EQ(failure_of(R"([{"role": "system", "content": ["x"]}])"),
            "messages[0].content[0]: expected an object, found a string");
  EXPECT_EQ(
      failure_of(R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}])"),
      "messages[0].tool_calls[0].function.arguments: expected an object (not its JSON text) or null, found a string");
  EXPECT_EQ(failure_of(R"([{"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}])"),
            "messages[0].tool_calls[0].function.name: expected a string, found nothing");
  EXPECT_EQ(failure_of("[]", R"([{"function": {"parameters": {"properties": [1]}}}])"),
            "tools[0].function.parameters.properties: expected an object, found an array");
  EXPECT_EQ(
      failure_of("[]", R"([{"function": {"parameters": {"properties": {"a": {"type": "object", "required": 1}}}}}])"),
      "tools[0].function.parameters.properties.a.required: expected an array of names, found a number");
  EXPECT_EQ(failure_of("[]", R"(["x"])"), "tools[0].function: expected an object, found nothing");
  EXPECT_EQ(failure_of("[]", "[]", Template::gemma3), "messages: expected at least one message, found none");
  EXPECT_EQ(
      failure_of(R"([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])", "[]", Template::gemma3),
      "messages[1].role: turns must alternate user, assistant, user, ...: expected 'assistant', found 'user'");
}

TEST(Render, TheFirstFailureIsTold) {
  EXPECT_THAT(failure_of(R"([{"role": "user", "content": 1}, {"role": "user", "content": 2}])"),
              ::testing::StartsWith("messages[0].content"));
}

TEST(Template, HasANameBothWays) {
  for (Template which : {Template::edge, Template::large, Template::gemma3}) {
    EXPECT_EQ(template_named(name_of(which)), which);
  }
  EXPECT_EQ(template_named("gemma2"), std::nullopt);
}

}  // namespace
}  // namespace gemma
