// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "serve/answer_parts.h"
#include "serve/hidden_thought.h"
#include "serve/openai_wire.h"
#include "serve/responses.h"

namespace gemma::serve {
namespace {

json::object text_part(const std::string& text, json::array logprobs) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", json::array()}, {"logprobs", std::move(logprobs)}};
}

}  // namespace

/** With the place of the item in the output. */
void ResponseOutput::say(std::string_view type, json::object event) {
  event["output_index"] = static_cast<int64_t>(items_.size());
  say_(type, std::move(event));
}

json::array ResponseOutput::new_logprobs(const Answer& so_far) {
  if (!form_.logprobs) return {};
  json::array more = openai_logprobs(so_far, std::exchange(logprobs_said_, so_far.logprobs.size()), *tokenizer_);
  logprobs_.insert(logprobs_.end(), more.begin(), more.end());
  return more;
}

/** The item of the open part, empty at its beginning ("in_progress"). */
json::object ResponseOutput::item(std::string_view status) const {
  const bool begins = status == "in_progress";
  if (const auto* text = std::get_if<TextDelta>(&*part_)) {
    json::array content;
    if (!begins) content.push_back(text_part(text->text, logprobs_));
    return {{"id", id_}, {"type", "message"}, {"status", status}, {"role", "assistant"}, {"content", content}};
  }
  if (const auto* call = std::get_if<CallDelta>(&*part_)) {
    json::object out{{"id", id_},
                     {"type", "function_call"},
                     {"status", status},
                     {"call_id", "call_" + id_.substr(3)},
                     {"name", name_of(*call)},
                     {"arguments", begins ? "" : call->json}};
    if (const auto in = form_.spaces.find(call->name); in != form_.spaces.end()) out["namespace"] = in->second.space;
    return out;
  }
  const std::string& thought = std::get<ThoughtDelta>(*part_).text;
  const json::object part{{"type", form_.summary ? "summary_text" : "reasoning_text"}, {"text", thought}};
  const json::array parts = begins ? json::array() : json::array{json::value(part)};
  json::object out{{"id", id_}, {"type", "reasoning"}, {"summary", form_.summary ? parts : json::array()}};
  if (!form_.summary) out["content"] = parts;
  if (form_.encrypted) out["encrypted_content"] = begins ? json::value() : json::value(hidden_thought(thought));
  out["status"] = status;
  return out;
}

/** Without its namespace. */
const std::string& ResponseOutput::name_of(const CallDelta& call) const {
  const auto in = form_.spaces.find(call.name);
  return in == form_.spaces.end() ? call.name : in->second.name;
}

void ResponseOutput::piece(const ChatEvent& event, const Answer& so_far) {
  if (const auto* call = std::get_if<ToolCall>(&event)) {
    if (!in_call()) piece(in_one_piece(*call), so_far);
    return end_call();
  }
  if (part_ && goes_on(*part_, event)) {
    join(*part_, event);
  } else {
    close(!in_call());
    open(event);
  }
  if (const auto* text = std::get_if<TextDelta>(&event)) message_delta(text->text, so_far);
  if (const auto* thought = std::get_if<ThoughtDelta>(&event)) thought_delta(thought->text);
  if (const auto* call = std::get_if<CallDelta>(&event)) {
    say("response.function_call_arguments.delta", {{"item_id", id_}, {"delta", call->json}});
  }
}

/** Whether a call has begun and has no end yet. */
bool ResponseOutput::in_call() const { return part_ && std::holds_alternative<CallDelta>(*part_); }

void ResponseOutput::open(const ChatEvent& event) {
  part_ = event;
  const bool text = std::holds_alternative<TextDelta>(event), thought = std::holds_alternative<ThoughtDelta>(event);
  id_ = new_id(text ? "msg_" : thought ? "rs_" : "fc_");
  logprobs_.clear();
  say("response.output_item.added", {{"item", item("in_progress")}});
  if (text) {
    say("response.content_part.added", {{"item_id", id_}, {"content_index", 0}, {"part", text_part("", {})}});
  } else if (thought && form_.summary) {
    const json::object part{{"type", "summary_text"}, {"text", ""}};
    say("response.reasoning_summary_part.added", {{"item_id", id_}, {"summary_index", 0}, {"part", part}});
  } else if (thought) {
    const json::object part{{"type", "reasoning_text"}, {"text", ""}};
    say("response.content_part.added", {{"item_id", id_}, {"content_index", 0}, {"part", part}});
  }
}

void ResponseOutput::message_delta(const std::string& text, const Answer& so_far) {
  say("response.output_text.delta",
      {{"item_id", id_}, {"content_index", 0}, {"delta", text}, {"logprobs", new_logprobs(so_far)}});
}

void ResponseOutput::thought_delta(const std::string& text) {
  if (form_.summary) {
    say("response.reasoning_summary_text.delta", {{"item_id", id_}, {"summary_index", 0}, {"delta", text}});
  } else {
    say("response.reasoning_text.delta", {{"item_id", id_}, {"content_index", 0}, {"delta", text}});
  }
}

void ResponseOutput::end_call() {
  const CallDelta& call = std::get<CallDelta>(*part_);
  say("response.function_call_arguments.done", {{"item_id", id_}, {"name", name_of(call)}, {"arguments", call.json}});
  close(true);
}

void ResponseOutput::close(bool whole) {
  if (!part_) return;
  json::object done = item(whole ? "completed" : "incomplete");
  if (const auto* text = std::get_if<TextDelta>(&*part_)) {
    say("response.output_text.done",
        {{"item_id", id_}, {"content_index", 0}, {"text", text->text}, {"logprobs", logprobs_}});
    say("response.content_part.done",
        {{"item_id", id_}, {"content_index", 0}, {"part", text_part(text->text, logprobs_)}});
  }
  if (const auto* thought = std::get_if<ThoughtDelta>(&*part_)) {
    const std::string_view kind = form_.summary ? "summary_text" : "reasoning_text";
    const std::string_view index = form_.summary ? "summary_index" : "content_index";
    const json::object part{{"type", kind}, {"text", thought->text}};
    say(form_.summary ? "response.reasoning_summary_text.done" : "response.reasoning_text.done",
        {{"item_id", id_}, {index, 0}, {"text", thought->text}});
    say(form_.summary ? "response.reasoning_summary_part.done" : "response.content_part.done",
        {{"item_id", id_}, {index, 0}, {"part", part}});
  }
  say("response.output_item.done", {{"item", done}});
  items_.push_back(std::move(done));
  part_.reset();
}

void ResponseOutput::finish(const Answer& answer, bool whole) {
  if (part_ && std::holds_alternative<TextDelta>(*part_)) new_logprobs(answer);
  close(whole && !in_call());
}

}  // namespace gemma::serve
