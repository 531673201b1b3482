// SPDX-License-Identifier: Apache-2.0
#include "serve/messages.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace gemma::serve {
namespace {

using ::testing::HasSubstr;

Result<Conversation> read(std::string_view text) {
  return read_messages(parse_json(text).value().get_array(), "messages");
}
std::string fault(std::string_view text) {
  const auto result = read(text);
  return result ? "" : result.failure().message();
}
std::string written(const char* text) {
  const auto result = read(text);
  return result ? write_json(result.value().messages) : result.failure().message();
}

TEST(Messages, TextAndRoles) {
  EXPECT_EQ(written(R"([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}],
                         "name": "me"}, {"role": "assistant", "content": "a", "reasoning_content": "r"},
                        {"role": "user", "content": "v"}])"),
            R"([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]}, )"
            R"({"role": "assistant", "reasoning_content": "r", "content": "a"}, {"role": "user", "content": "v"}])");
}

TEST(Messages, ToolCallsAndTheirAnswers) {
  const char* calls = R"([{"role": "user", "content": "u"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
        "function": {"name": "f", "arguments": "{\"x\": 12345678901234567890123}"}}]},
      {"role": "tool", "tool_call_id": "1", "content": "4"}])";
  const auto result = read(calls);
  ASSERT_TRUE(result.ok()) << result.failure().message();
  const json::value& arguments = result.value().messages[1].at("tool_calls").at(0).at("function").at("arguments");
  EXPECT_EQ(write_json(arguments), R"({"x": 12345678901234567890123})");
}

TEST(Messages, MediaInOrderWithBudgets) {
  const auto result = read(R"([{"role": "user", "content": [
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
      {"type": "text", "text": "t"},
      {"type": "input_audio", "input_audio": {"data": "AAAB", "format": "wav"}},
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAC"}, "budget": 560},
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAC", "detail": "auto"}},
      {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAD"}}]}])");
  ASSERT_TRUE(result.ok()) << result.failure().message();
  const auto& media = result.value().media;
  ASSERT_EQ(media.size(), 5U);
  EXPECT_EQ(media[0].budget, 70);
  EXPECT_EQ(media[0].bytes, std::string(3, '\0'));
  EXPECT_EQ(media[1].kind, media::Kind::audio);
  EXPECT_EQ(media[2].budget, 560);
  EXPECT_EQ(media[3].budget, media::kAutoBudget);
  EXPECT_EQ(media[4].kind, media::Kind::video);
  EXPECT_EQ(media[4].name, "messages[0].content[5]");
}

TEST(Messages, ASoundIsWhatItsFormatSays) {
  const auto sound = [](std::string_view format, std::string_view data) {
    return fault(fmt::format(R"([{{"role": "user", "content": [
        {{"type": "input_audio", "input_audio": {{"data": "{}", "format": "{}"}}}}]}}])",
                             data, format));
  };
  const std::string_view wav = "UklGRgAAAABXQVZF", flac = "ZkxhQwAA";  // "RIFF....WAVE", "fLaC.."
  EXPECT_EQ(sound("wav", wav), "");
  EXPECT_EQ(sound("flac", flac), "");
  EXPECT_EQ(sound("mp3", "//uQZAAA"), "") << "its first bytes tell nothing";
  const std::string at = "messages[0].content[0].input_audio.format: expected ";
  EXPECT_EQ(sound("mp3", wav), at + "what the bytes are, a sound file (WAV), found 'mp3'");
  EXPECT_EQ(sound("opus", flac), at + "what the bytes are, a sound file (FLAC), found 'opus'");
  EXPECT_EQ(sound("banana", wav), at + "one of wav, mp3, flac, ogg, opus, m4a, mp4, webm, found 'banana'");
}

TEST(Messages, WhatChangesNothingHasATypeAllTheSame) {
  const auto user = [](std::string_view more) {
    return fault(fmt::format(R"([{{"role": "user", "content": [{{"type": "text", "text": "t"{}}}]}}])", more));
  };
  EXPECT_EQ(user(R"(, "cache_control": {"type": "ephemeral"})"), "");
  EXPECT_THAT(user(R"(, "cache_control": 17)"), HasSubstr("content[0].cache_control: expected an object"));
  const auto assistant = [](std::string_view more) {
    return fault(fmt::format(R"([{{"role": "assistant", "content": "a"{}}}])", more));
  };
  EXPECT_EQ(assistant(R"(, "annotations": [], "id": "x", "name": "y")"), "");
  EXPECT_THAT(assistant(R"(, "annotations": 1)"), HasSubstr("messages[0].annotations: expected an array"));
  EXPECT_THAT(assistant(R"(, "id": 1)"), HasSubstr("messages[0].id: expected a string"));
  EXPECT_THAT(assistant(R"(, "name": {"a": "b"})"), HasSubstr("messages[0].name: expected a string"));
}

TEST(Messages, WhatIsWrongIsNamed) {
  EXPECT_EQ(fault("[]"), "messages: expected at least one message, found none");
  EXPECT_EQ(fault("[1]"), "messages[0]: expected an object, found a number");
  EXPECT_EQ(fault(R"([{"content": "x"}])"), "messages[0].role: is missing");
  EXPECT_EQ(fault(R"([{"role": "robot", "content": "x"}])"),
            "messages[0].role: expected one of system, developer, user, assistant, tool, found 'robot'");
  EXPECT_EQ(fault(R"([{"role": "user"}])"), "messages[0].content: is missing");
  EXPECT_EQ(fault(R"([{"role": "user", "content": 1}])"),
            "messages[0].content: expected a string or an array of parts, found a number");
  EXPECT_EQ(fault(R"([{"role": "user", "content": "x", "colour": 1}])"),
            "messages[0].colour: is not known here: expected one of role, name, content");
  EXPECT_EQ(fault(R"([{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])"),
            "messages[0].content[0].type: pictures, sound and film are for turns of the user and of tools");
  EXPECT_EQ(fault(R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://a/b.png"}}]}])"),
            "messages[0].content[0].image_url.url: expected the file itself (data:image/png;base64,...) or its "
            "address (https://...)");
  EXPECT_EQ(fault(R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x;base64,A"}}]}])"),
            "messages[0].content[0].image_url.url: what follows the comma is no base64");
}

TEST(Messages, CallsAndAnswersBelongTogether) {
  EXPECT_EQ(fault(R"([{"role": "tool", "tool_call_id": "1", "content": "x"}])"),
            "messages[0].tool_call_id: no tool call before it that waits has the id '1'");
  const char* call = R"({"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f",
                         "arguments": "{}"}}]})";
  EXPECT_EQ(fault(fmt::format("[{}]", call).c_str()),
            "messages[0]: the tool call '1' before it has no tool message that answers it");
  EXPECT_EQ(fault(fmt::format(R"([{}, {{"role": "user", "content": "x"}}])", call).c_str()),
            "messages[1]: the tool call '1' before it has no tool message that answers it");
  EXPECT_EQ(fault(R"([{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f",
                     "arguments": "[]"}}]}])"),
            "messages[0].tool_calls[0].function.arguments: expected the text of a JSON object");
}

TEST(Messages, TextsOfArgumentsAreBoundedTogether) {
  const std::string many = R"({\"a\":[1)" + std::string(1'200'000, ',') + "1]}";
  std::string list = R"({\"a\":[1)";
  for (int i = 0; i < 400'000; ++i) list += ",1";
  list += "]}";
  const auto call = [](const std::string& id, const std::string& arguments) {
    return fmt::format(R"({{"id": "{}", "function": {{"name": "f", "arguments": "{}"}}}})", id, arguments);
  };
  const auto said = [&](const std::string& calls) {
    return fault(fmt::format(R"([{{"role": "assistant", "tool_calls": [{}]}}])", calls).c_str());
  };
  EXPECT_EQ(said(call("1", many)),
            "messages[0].tool_calls[0].function.arguments: expected the text of a JSON object: it has more than "
            "1000000 values");
  EXPECT_EQ(said(call("1", list) + "," + call("2", list)),
            "messages[0]: the tool call '1' before it has no tool message that answers it");
  EXPECT_EQ(said(call("1", list) + "," + call("2", list) + "," + call("3", list)),
            "messages[0].tool_calls[2].function.arguments: expected the text of a JSON object: it has more than "
            "1000000 values");
}

TEST(Messages, AreOnlySoMany) {
  const auto conversation = [](size_t count) {
    return json::array(count, json::object{{"role", "user"}, {"content", "x"}});
  };
  EXPECT_TRUE(read_messages(conversation(kMostMessages), "messages").ok());
  const auto more = read_messages(conversation(kMostMessages + 1), "messages");
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.failure().message(), "messages: expected at most 10000 messages, found 10001");
}

}  // namespace
}  // namespace gemma::serve
