// SPDX-License-Identifier: Apache-2.0
#include "serve/responses.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "serve/hidden_thought.h"
#include "serve/messages.h"
#include "serve/response_desk.h"

namespace gemma::serve {
namespace {

/** Messages made of an input behind `before`. */
std::string written(const char* input, const char* before = "[]", const char* instructions = nullptr) {
  auto items = items_of_input(parse_json(input).value());
  if (!items) return items.failure().message();
  ResponsesRequest request;
  request.input = std::move(items).value();
  if (instructions != nullptr) request.said["instructions"] = instructions;
  if (const auto failure = read_responses_input(request, parse_json(before).value().get_array())) {
    return failure->message();
  }
  return write_json(request.ask.messages);
}

TEST(ResponsesInput, TextAndMessages) {
  EXPECT_EQ(written(R"("u")"), R"([{"role": "user", "content": "u"}])");
  EXPECT_EQ(written(R"([{"role": "developer", "content": "d"}, {"role": "user", "content": [
      {"type": "input_text", "text": "u"}, {"type": "input_image", "image_url": "data:image/png;base64,AAAA",
      "detail": "low"}]}])",
                    "[]", "i"),
            R"([{"role": "system", "content": "i\nd"}, {"role": "user", "content": [{"type": "text", "text": "u"}, )"
            R"({"type": "image"}]}])");
}

TEST(ResponsesInput, ItemsAreOnlySoMany) {
  const json::object item{{"role", "user"}, {"content", "x"}};
  const auto fault = [&](size_t before, size_t now) {
    ResponsesRequest request;
    request.input = json::array(now, item);
    const auto failure = read_responses_input(request, json::array(before, item));
    return failure ? failure->message() : "";
  };
  EXPECT_EQ(fault(kMostMessages - 1, 1), "");
  EXPECT_EQ(fault(0, kMostMessages + 1), "input: expected at most 10000 messages, found 10001");
  EXPECT_EQ(fault(kMostMessages, 1), "previous_response_id: expected at most 10000 messages, found 10001");
}

TEST(ResponsesInput, GoesOnFromWhatWasSaid) {
  const std::string before = R"([{"type": "message", "id": "msg_1", "role": "user", "content": "u"},
      {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}],
       "status": "completed"},
      {"type": "message", "id": "msg_2", "role": "assistant", "status": "completed", "content": [
       {"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]},
      {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"x\": 1}",
       "status": "completed"}])";
  EXPECT_EQ(written(R"([{"type": "function_call_output", "call_id": "call_1", "output": "4"}])", before.c_str()),
            R"([{"role": "user", "content": "u"}, {"role": "assistant", "reasoning_content": "t", "content": "a"}, )"
            R"({"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "type": "function", "function": )"
            R"({"name": "f", "arguments": {"x": 1}}}]}, {"role": "tool", "tool_call_id": "call_1", "content": "4"}])");
}

TEST(ResponsesInput, ThoughtsComeBackHoweverTheyWereSent) {
  const auto thought = [](const std::string& item) {
    return written(fmt::format(R"([{{"role": "user", "content": "u"}}, {{"type": "reasoning", "id": "r", {}}},
                                   {{"role": "user", "content": "v"}}])",
                               item)
                       .c_str());
  };
  const std::string expected = thought(R"("summary": [], "content": [{"type": "reasoning_text", "text": "t"}])");
  EXPECT_NE(expected.find(R"("reasoning_content": "t")"), std::string::npos) << expected;
  EXPECT_EQ(thought(R"("summary": [{"type": "summary_text", "text": "t"}])"), expected);
  EXPECT_EQ(thought(fmt::format(R"("summary": [], "encrypted_content": "{}")", hidden_thought("t"))), expected);
}

TEST(ResponsesInput, WhatIsWrongIsNamed) {
  EXPECT_EQ(written("1"), "input: expected a string or an array of items, found a number");
  EXPECT_EQ(written("[]"), "input: is empty");
  EXPECT_EQ(written("[1]"), "input[0]: expected an object, found a number");
  EXPECT_EQ(written(R"([{"type": "item_reference", "id": "x"}])"),
            "input[0].type: expected one of message, function_call, function_call_output, reasoning, found "
            "'item_reference'");
  EXPECT_EQ(written(R"([{"role": "user", "content": [{"type": "input_film", "file_id": "x"}]}])"),
            "input[0].content[0].type: expected one of input_text, output_text, input_image, input_audio, input_file, "
            "found 'input_film'");
  EXPECT_EQ(written(R"([{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}])"),
            "input[0].content[0].file_id: files are not kept here");
  EXPECT_EQ(written(R"([{"role": "user", "content": [{"type": "input_image", "detail": "low"}]}])"),
            "input[0].content[0].image_url: is missing");
  EXPECT_EQ(written(R"([{"role": "user", "content": "x", "colour": 1}])"),
            "input[0].colour: is not known here: expected one of id, status, type, role, phase, content");
  EXPECT_EQ(written(R"([{"type": "function_call_output", "call_id": "1", "output": "x"}])"),
            "input[0]: no tool call before it that waits has the id '1'");
  EXPECT_EQ(written(R"([{"type": "function_call", "call_id": "1", "name": "f", "arguments": "1"}])"),
            "input[0].arguments: expected the text of a JSON object");
}

TEST(ResponsesInput, AFileByAddressIsWhatItsBytesSayLater) {
  const auto read = [](const std::string& fields) {
    ResponsesRequest request;
    const std::string part = fmt::format(R"({{"type": "input_file", "detail": "low", {}}})", fields);
    request.input = parse_json(R"([{"role": "user", "content": [)" + part + "]}]").value().get_array();
    const auto failure = read_responses_input(request, {});
    if (failure) return failure->message();
    const MediaSource& source = request.ask.media.at(0);
    return fmt::format("{} {} {} {} {}", source.name, name_of(source.kind), source.any_kind, source.budget,
                       source.address);
  };
  EXPECT_EQ(read(R"("file_url": "https://a.com/b", "filename": "b.wav")"),
            "input[0].content[0] image true 70 https://a.com/b");
  EXPECT_EQ(read(R"("file_url": "data:audio/wav;base64,UklGRiQAAABXQVZF")"), "input[0].content[0] audio false 0 ");
  EXPECT_EQ(read(R"("file_url": "data:text/plain;base64,AAAA")"),
            "input[0].content[0].file_url: expected a picture, sound or film");
  EXPECT_EQ(read(R"("file_url": "b.png")"),
            "input[0].content[0].file_url: expected the file itself (data:image/png;base64,...) or its address "
            "(https://...)");
  const std::string one = "input[0].content[0].file_id: expected file_id, file_data or file_url, one of them";
  EXPECT_EQ(read(R"("file_url": "https://a.com/b", "file_data": "AAAA")"), one);
  EXPECT_EQ(read(R"("filename": "b")"), one);
}

TEST(ResponsesInput, ItemsGetIds) {
  const json::array items = items_of_input(parse_json(R"([{"role": "user", "content": "x"},
      {"type": "function_call_output", "call_id": "1", "output": "x"}, {"id": "mine", "role": "user"}])")
                                               .value())
                                .value();
  EXPECT_TRUE(items[0].at("id").as_string().starts_with("msg_"));
  EXPECT_TRUE(items[1].at("id").as_string().starts_with("fco_"));
  EXPECT_EQ(items[2].at("id"), "mine");
}

/** What was said of an answer of these pieces. */
struct Said {
  json::array events, items;
};
Said said(OutputForm form, const std::vector<ChatEvent>& pieces, bool whole = true) {
  Said out;
  ResponseOutput output(form, nullptr, [&](std::string_view type, json::object event) {
    event["type"] = type;
    out.events.push_back(std::move(event));
  });
  for (const ChatEvent& piece : pieces) output.piece(piece, Answer());
  output.finish(Answer(), whole);
  out.items = output.items();
  return out;
}

const std::vector<ChatEvent> kPieces{ThoughtDelta{"h"}, ThoughtDelta{"m"}, TextDelta{"a"}, TextDelta{"b"},
                                     ToolCall{"f", {{"x", 1}}}};

TEST(ResponsesOutput, ItemsInTheirOrder) {
  const json::array items = said({}, kPieces).items;
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(write_json(items[0].at("content")), R"([{"type": "reasoning_text", "text": "hm"}])");
  EXPECT_EQ(items[1].at("content").at(0).at("text"), "ab");
  EXPECT_EQ(items[2].at("arguments"), R"({"x": 1})");
  EXPECT_TRUE(items[2].at("call_id").as_string().starts_with("call_"));
  for (const json::value& item : items) EXPECT_EQ(item.at("status"), "completed");
  EXPECT_EQ(said({}, {TextDelta{"a"}}, false).items[0].at("status"), "incomplete");
}

TEST(ResponsesOutput, EventsSayTheSame) {
  const Said all = said({}, kPieces);
  std::vector<std::string> types;
  std::string text, thought, arguments;
  size_t index = 0;
  for (const json::value& event : all.events) {
    types.emplace_back(event.at("type").as_string());
    EXPECT_EQ(event.at("output_index"), static_cast<int64_t>(index));
    if (types.back() == "response.output_text.delta") text += event.at("delta").as_string();
    if (types.back() == "response.reasoning_text.delta") thought += event.at("delta").as_string();
    if (types.back() == "response.function_call_arguments.delta") arguments += event.at("delta").as_string();
    if (types.back() == "response.output_item.done") {
      EXPECT_EQ(event.at("item"), all.items[index++]);
    }
  }
  EXPECT_EQ(index, 3U);
  EXPECT_EQ(text + thought + arguments, R"(abhm{"x": 1})");
  const std::vector<std::string> message(types.begin() + 7, types.begin() + 14);
  EXPECT_EQ(message, (std::vector<std::string>{"response.output_item.added", "response.content_part.added",
                                               "response.output_text.delta", "response.output_text.delta",
                                               "response.output_text.done", "response.content_part.done",
                                               "response.output_item.done"}));
}

TEST(ResponsesOutput, ACallInPieces) {
  const std::vector<ChatEvent> pieces{CallDelta{"f", "{\"x\": "}, CallDelta{"f", "1}"}, ToolCall{"f", {{"x", 1}}}};
  const Said all = said({}, pieces);
  ASSERT_EQ(all.items.size(), 1U);
  EXPECT_EQ(all.items[0].at("arguments"), R"({"x": 1})");
  EXPECT_EQ(all.items[0].at("status"), "completed");
  std::vector<std::string> types;
  for (const json::value& event : all.events) types.emplace_back(event.at("type").as_string());
  EXPECT_EQ(types, (std::vector<std::string>{"response.output_item.added", "response.function_call_arguments.delta",
                                             "response.function_call_arguments.delta",
                                             "response.function_call_arguments.done", "response.output_item.done"}));
  EXPECT_EQ(all.events[1].at("delta"), "{\"x\": ");
  EXPECT_EQ(all.events[3].at("arguments"), R"({"x": 1})");
}

TEST(ResponsesOutput, ACallThatIsCut) {
  const Said all = said({}, {CallDelta{"f", "{\"x\": "}}, false);
  ASSERT_EQ(all.items.size(), 1U);
  EXPECT_EQ(all.items[0].at("status"), "incomplete");
  EXPECT_EQ(all.items[0].at("arguments"), "{\"x\": ");
  EXPECT_EQ(all.events.back().at("type"), "response.output_item.done");
  EXPECT_EQ(all.events[all.events.size() - 2].at("type"), "response.function_call_arguments.delta");
}

TEST(ResponsesOutput, ThoughtsAsSummariesAndHidden) {
  OutputForm form;
  form.summary = form.encrypted = true;
  const Said all = said(form, {ThoughtDelta{"h"}, ThoughtDelta{"m"}});
  const json::value& item = all.items[0];
  EXPECT_EQ(write_json(item.at("summary")), R"([{"type": "summary_text", "text": "hm"}])");
  EXPECT_FALSE(item.as_object().contains("content"));
  EXPECT_EQ(thought_in(item.at("encrypted_content").as_string()), "hm");
  EXPECT_EQ(all.events[2].at("type"), "response.reasoning_summary_text.delta");
}

TEST(ResponseDesk, WhatIsOverIsOverOnce) {
  ResponseDesk desk(std::make_shared<StateFile>(""), 1 << 20, {});
  desk.begin("a", {});
  EXPECT_TRUE(desk.over("a"));
  EXPECT_FALSE(desk.over("a"));
  EXPECT_FALSE(desk.cancel("a"));
  EXPECT_TRUE(desk.known("a"));
  desk.gone("a");
  EXPECT_FALSE(desk.known("a"));
  desk.begin("b", {});
  EXPECT_TRUE(desk.cancel("b"));
  EXPECT_FALSE(desk.over("b"));
  EXPECT_FALSE(desk.known("b"));
}

}  // namespace
}  // namespace gemma::serve
