// SPDX-License-Identifier: Apache-2.0
#include "serve/ollama.h"

#include <gtest/gtest.h>

#include "serve/file_facts.h"

namespace gemma::serve {
namespace {

std::string written(const char* messages) {
  const auto result = read_ollama_messages(parse_json(messages).value().get_array());
  if (!result) return result.failure().message();
  return result.value().begun + write_json(result.value().messages);
}

TEST(OllamaMessages, PicturesComeBeforeTheWords) {
  const auto result = read_ollama_messages(parse_json(R"([{"role": "user", "content": "u", "images": ["AAAA",
      "data:image/png;base64,AAAB"]}])")
                                               .value()
                                               .get_array());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(write_json(result.value().messages),
            R"([{"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "u"}]}])");
  EXPECT_EQ(result.value().media.at(1).name, "messages[0].images[1]");
  EXPECT_EQ(result.value().media.at(1).bytes, std::string("\0\0\1", 3));
}

TEST(OllamaMessages, ResultsFindTheirCalls) {
  EXPECT_EQ(written(R"([{"role": "user", "content": "u"},
      {"role": "assistant", "content": "", "thinking": "t", "tool_calls": [{"function": {"name": "f", "arguments": {}}},
        {"function": {"index": 1, "name": "g", "arguments": {"x": 1}}}]},
      {"role": "tool", "tool_name": "g", "content": "2"}, {"role": "tool", "content": "1"}])"),
            R"([{"role": "user", "content": "u"}, {"role": "assistant", "reasoning_content": "t", "content": "", )"
            R"("tool_calls": [{"id": "call_0", "type": "function", "function": {"name": "f", "arguments": {}}}, )"
            R"({"id": "call_1", "type": "function", "function": {"name": "g", "arguments": {"x": 1}}}]}, )"
            R"({"role": "tool", "tool_call_id": "call_1", "content": "2"}, )"
            R"({"role": "tool", "tool_call_id": "call_0", "content": "1"}])");
}

TEST(OllamaMessages, AnAnswerThatIsBegun) {
  EXPECT_EQ(written(R"([{"role": "user", "content": "u"}, {"role": "assistant", "content": "So"}])"),
            R"(So[{"role": "user", "content": "u"}])");
}

TEST(OllamaMessages, WhatIsWrongIsNamed) {
  EXPECT_EQ(written("[1]"), "messages[0]: expected an object, found a number");
  EXPECT_EQ(written(R"([{"role": "bot"}])"),
            "messages[0].role: expected one of system, user, assistant, tool, found 'bot'");
  EXPECT_EQ(written(R"([{"role": "user", "content": "x", "colour": 1}])"),
            "messages[0].colour: is not known here: expected one of role, thinking, images, content, tool_calls");
  EXPECT_EQ(written(R"([{"role": "user", "images": ["!"]}])"),
            "messages[0].images[0]: expected the file itself, in base64");
  EXPECT_EQ(written(R"([{"role": "system", "content": "x", "images": ["AAAA"]}])"),
            "messages[0].images: pictures are for turns of the user and of tools");
  EXPECT_EQ(written(R"([{"role": "tool", "content": "x"}])"),
            "messages[0]: no tool call before it waits for this result");
  EXPECT_EQ(written(R"([{"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}])"),
            "messages[0].tool_calls[0].function.name: is missing");
}

TEST(Ollama, TimesAndSizes) {
  EXPECT_EQ(time_text(1'700'000'000), "2023-11-14T22:13:20Z");
  EXPECT_EQ(time_text().size(), std::string("2023-11-14T22:13:20.123456Z").size());
  EXPECT_EQ(spoken_size(268'098'176), "268.1M");
  EXPECT_EQ(spoken_size(4'647'450'147), "4.6B");
}

}  // namespace
}  // namespace gemma::serve
