// SPDX-License-Identifier: Apache-2.0
#include "serve/anthropic.h"

#include <gtest/gtest.h>

#include "serve/hidden_thought.h"
#include "serve/testing/recorder.h"

namespace gemma::serve {
namespace {

std::string written(const char* messages, const char* system = "null") {
  const json::value all = parse_json(messages).value(), given = parse_json(system).value();
  const auto result = read_anthropic_messages(all.get_array(), given.is_null() ? nullptr : &given);
  if (!result) return result.failure().message();
  return result.value().begun + write_json(result.value().messages);
}

TEST(AnthropicMessages, TextAndSystem) {
  const char* user = R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])";
  EXPECT_EQ(written(user), R"([{"role": "user", "content": "a\nb"}])");
  EXPECT_EQ(written(user, R"("s")"), R"([{"role": "system", "content": "s"}, {"role": "user", "content": "a\nb"}])");
  EXPECT_EQ(written(user, R"([{"type": "text", "text": "x-anthropic-billing-header: cch=12"},
                              {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                              {"type": "text", "text": "t"}])"),
            R"([{"role": "system", "content": "s\nt"}, {"role": "user", "content": "a\nb"}])");
  EXPECT_EQ(written(user, "[]"), R"([{"role": "user", "content": "a\nb"}])");
}

TEST(AnthropicMessages, CallsResultsThoughts) {
  const std::string hidden = hidden_thought("secret");
  const std::string text = R"([{"role": "user", "content": "u"},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "x"},
        {"type": "thinking", "thinking": "", "signature": ")" +
                           hidden + R"("},
        {"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "2", "name": "g", "input": {}}]},
      {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "seen"},
          {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}, "budget": 70}]},
        {"type": "tool_result", "tool_use_id": "2", "is_error": true, "content": "no file"},
        {"type": "text", "text": "go on"}]}])";
  EXPECT_EQ(
      written(text.c_str()),
      R"([{"role": "user", "content": "u"}, {"role": "assistant", "reasoning_content": "t\nsecret", )"
      R"("content": "", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": )"
      R"({"x": 1}}}, {"id": "2", "type": "function", "function": {"name": "g", "arguments": {}}}]}, )"
      R"({"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "seen"}, {"type": "image"}]}, )"
      R"({"role": "tool", "tool_call_id": "2", "content": "Error:\nno file"}, {"role": "user", "content": "go on"}])");
}

TEST(AnthropicMessages, AnAnswerThatIsBegun) {
  EXPECT_EQ(written(R"([{"role": "user", "content": "u"}, {"role": "assistant", "content": "The best is ("}])"),
            R"(The best is ([{"role": "user", "content": "u"}])");
}

TEST(AnthropicMessages, WhatIsWrongIsNamed) {
  const auto block = [](const char* text) {
    return written(fmt::format(R"([{{"role": "user", "content": [{}]}}])", text).c_str());
  };
  EXPECT_EQ(written("[]"), "messages: expected at least one message, found none");
  EXPECT_EQ(written(R"([{"role": "tool", "content": "x"}])"),
            "messages[0].role: expected one of user, assistant, system, found 'tool'");
  EXPECT_EQ(written(R"([{"role": "user", "content": ""}])"), "messages[0]: is empty");
  EXPECT_EQ(written(R"([{"role": "user", "content": []}])"), "messages[0].content: is empty");
  EXPECT_EQ(block(R"({"type": "audio"})"),
            "messages[0].content[0].type: expected one of text, image, tool_result, found 'audio'");
  EXPECT_EQ(block(R"({"type": "document", "source": {}})"),
            "messages[0].content[0].type: documents are not read: expected their text, or pictures of their pages");
  EXPECT_EQ(block(R"({"type": "text", "text": "x", "colour": 1})"),
            "messages[0].content[0].colour: is not known here: expected one of type, text, cache_control, citations");
  EXPECT_EQ(block(R"({"type": "text", "text": "x", "cache_control": {"type": "long"}})"),
            "messages[0].content[0].cache_control.type: expected one of ephemeral, found 'long'");
  EXPECT_EQ(block(R"({"type": "image", "source": {"type": "url", "url": "ftp://a/b.png"}})"),
            "messages[0].content[0].source.url: expected the file itself (data:image/png;base64,...) or its address "
            "(https://...)");
  EXPECT_EQ(block(R"({"type": "image", "source": {"type": "base64", "data": "A"}})"),
            "messages[0].content[0].source.data: expected base64");
  EXPECT_EQ(block(R"({"type": "tool_result", "tool_use_id": "1"})"),
            "messages[0].content[0]: no tool call before it that waits has the id '1'");
  EXPECT_EQ(written(R"([{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}])"),
            "messages[0].content[0].type: redacted_thinking is not of this model");
}

TEST(AnthropicTools, AreDeclaredAsTheTemplatesTakeThem) {
  const auto read = [](const char* tools) {
    const auto result = read_anthropic_tools(parse_json(tools).value().get_array(), "tools");
    return result ? write_json(result.value()) : result.failure().message();
  };
  EXPECT_EQ(
      read(R"([{"name": "f", "description": "d", "input_schema": {"type": "object"}, "type": "custom"}])"),
      R"([{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}])");
  EXPECT_EQ(read(R"([{"type": "web_search_20250305", "name": "web_search"}])"),
            "tools[0].type: expected one of custom, found 'web_search_20250305'");
  EXPECT_EQ(read(R"([{"name": "f"}])"), "tools[0].input_schema: is missing");
}

std::shared_ptr<Recorder> answered(bool stream, bool hide, const std::vector<ChatEvent>& pieces, Answer answer) {
  auto recorder = std::make_shared<Recorder>();
  MessagesRequest request;
  request.stream = stream;
  request.hide_thoughts = hide;
  say(*messages_reply(recorder, request, "m"), pieces, std::move(answer));
  EXPECT_TRUE(recorder->ended);
  return recorder;
}

Answer ended(Finish finish) {
  Answer answer;
  answer.prompt_tokens = 10;
  answer.reused_tokens = 7;
  answer.finish = finish;
  return answer;
}

const std::vector<ChatEvent> kPieces{ThoughtDelta{"h"}, ThoughtDelta{"m"},         TextDelta{"a"},
                                     TextDelta{"b"},    ToolCall{"f", {{"x", 1}}}, ToolCall{"g", {}}};

TEST(AnthropicReply, Whole) {
  json::object message = answered(false, false, kPieces, ended(Finish::stop))->body();
  EXPECT_TRUE(message["id"].as_string().starts_with("msg_"));
  EXPECT_EQ(message["stop_reason"], "tool_use");
  EXPECT_EQ(message["usage"].at("input_tokens"), 3);
  EXPECT_EQ(message["usage"].at("cache_read_input_tokens"), 7);
  EXPECT_EQ(message["usage"].at("output_tokens"), 6);
  const json::array& content = message["content"].as_array();
  ASSERT_EQ(content.size(), 4U);
  EXPECT_EQ(write_json(content[0]), R"({"type": "thinking", "thinking": "hm", "signature": "gemma4"})");
  EXPECT_EQ(content[1].at("text"), "ab");
  EXPECT_EQ(write_json(content[2].at("input")), R"({"x": 1})");
  EXPECT_NE(content[2].at("id"), content[3].at("id"));
}

/** What a client gathers from a stream; empty when the events do not come as they must. */
json::array gathered(const std::vector<json::object>& events) {
  json::array blocks;
  std::string json_text;
  bool open = false;
  for (json::object event : events) {
    EXPECT_FALSE(event.contains("name"));
    const std::string_view type = event["type"].as_string();
    if (type == "content_block_start") {
      EXPECT_FALSE(open);
      EXPECT_EQ(event["index"], static_cast<int64_t>(blocks.size()));
      blocks.push_back(event["content_block"]);
      open = true;
      json_text.clear();
    }
    if (type == "content_block_stop") {
      EXPECT_TRUE(open);
      open = false;
      if (!json_text.empty()) blocks.back().as_object()["input"] = parse_json(json_text).value();
    }
    if (type != "content_block_delta") continue;
    const json::object& delta = event["delta"].as_object();
    json::object& block = blocks.back().as_object();
    for (const char* key : {"text", "thinking", "signature"}) {
      if (delta.contains(key)) block[key].as_string() += delta.at(key).as_string();
    }
    if (delta.contains("partial_json")) json_text += delta.at("partial_json").as_string();
  }
  EXPECT_FALSE(open);
  return blocks;
}

TEST(AnthropicReply, AStreamSaysTheSame) {
  for (const bool hide : {false, true}) {
    json::array whole = answered(false, hide, kPieces, ended(Finish::stop))->body()["content"].as_array();
    const auto stream = answered(true, hide, kPieces, ended(Finish::stop));
    EXPECT_EQ(stream->head.keep_alive, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
    auto events = stream->events();
    EXPECT_EQ(events.front()["type"], "message_start");
    EXPECT_EQ(events.front()["message"].at("usage").at("input_tokens"), 3);
    EXPECT_EQ(events.front()["message"].at("stop_reason"), nullptr);
    EXPECT_EQ(events[events.size() - 2]["delta"].at("stop_reason"), "tool_use");
    EXPECT_EQ(events[events.size() - 2]["usage"].at("output_tokens"), 6);
    EXPECT_EQ(events.back()["type"], "message_stop");
    json::array streamed = gathered(events);
    ASSERT_EQ(streamed.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
      whole[i].as_object().erase("id"), streamed[i].as_object().erase("id");
      EXPECT_EQ(streamed[i], whole[i]);
    }
    EXPECT_EQ(whole[0].at("thinking"), hide ? "" : "hm");
    EXPECT_EQ(thought_in(whole[0].at("signature").as_string()), hide ? "hm" : "");
  }
}

TEST(AnthropicReply, ACallInPieces) {
  const std::vector<ChatEvent> pieces{CallDelta{"f", "{\"x\": "}, CallDelta{"f", "1}"}, ToolCall{"f", {{"x", 1}}},
                                      CallDelta{"g", "{}"}, ToolCall{"g", {}}};
  json::array whole = answered(false, false, pieces, ended(Finish::stop))->body()["content"].as_array();
  json::array streamed = gathered(answered(true, false, pieces, ended(Finish::stop))->events());
  ASSERT_EQ(streamed.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    whole[i].as_object().erase("id"), streamed[i].as_object().erase("id");
    EXPECT_EQ(streamed[i], whole[i]);
  }
  auto cut = answered(true, false, {TextDelta{"a"}, pieces[0]}, ended(Finish::length))->events();
  EXPECT_EQ(write_json(cut[cut.size() - 4]["delta"]), R"({"type": "input_json_delta", "partial_json": "{\"x\": "})");
  EXPECT_EQ(cut[cut.size() - 3]["type"], "content_block_stop");
  EXPECT_EQ(cut[cut.size() - 2]["delta"].at("stop_reason"), "max_tokens");
}

TEST(AnthropicReply, WhyItEnded) {
  const auto reason = [](Answer answer) {
    json::object whole = answered(false, false, {TextDelta{"a"}}, answer)->body();
    return fmt::format("{} {}", whole["stop_reason"].as_string().c_str(), write_json(whole["stop_sequence"]));
  };
  EXPECT_EQ(reason(ended(Finish::stop)), "end_turn null");
  EXPECT_EQ(reason(ended(Finish::length)), "max_tokens null");
  EXPECT_EQ(reason(ended(Finish::context)), "model_context_window_exceeded null");
  Answer cut = ended(Finish::stop);
  cut.stop = "###";
  EXPECT_EQ(reason(cut), R"(stop_sequence "###")");
}

TEST(AnthropicReply, Errors) {
  Answer broken = ended(Finish::error);
  broken.error = "no memory";
  const auto whole = answered(false, false, {}, broken);
  EXPECT_EQ(whole->head.status, 500);
  EXPECT_EQ(write_json(whole->body()), R"({"type": "error", "error": {"type": "api_error", "message": "no memory"}})");
  auto events = answered(true, false, {TextDelta{"a"}}, broken)->events();
  EXPECT_EQ(write_json(events.back()), R"({"type": "error", "error": {"type": "api_error", "message": "no memory"}})");
  Refusal full(429, {"", "full"});
  full.retry_after = 3;
  const HttpResponse response = anthropic_error(full);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.at(0).second, "3");
  EXPECT_NE(response.body.find("rate_limit_error"), std::string::npos);
}

}  // namespace
}  // namespace gemma::serve
