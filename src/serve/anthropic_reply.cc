// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "serve/answer_parts.h"
#include "serve/anthropic.h"
#include "serve/hidden_thought.h"
#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

constexpr std::string_view kSignature = "gemma4";  // which nobody checks

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

std::string_view stop_reason(const Answer& answer) {
  if (answer.finish == Finish::length) return "max_tokens";
  if (answer.finish == Finish::context) return "model_context_window_exceeded";
  if (!answer.tool_calls.empty()) return "tool_use";
  return answer.stop.empty() ? "end_turn" : "stop_sequence";
}

json::value stop_sequence(const Answer& answer) {
  return answer.stop.empty() ? json::value() : json::value(answer.stop);
}

/** What was known from before counts apart. */
json::object usage_of(const Answer& answer) {
  return {{"input_tokens", answer.prompt_tokens - answer.reused_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", answer.reused_tokens},
          {"output_tokens", answer.tokens},
          {"output_tokens_details", json::object{{"thinking_tokens", answer.thought_tokens}}}};
}

std::string signature_of(std::string_view thought, bool hidden) {
  return hidden ? hidden_thought(thought) : std::string(kSignature);
}

struct About {
  std::shared_ptr<Responder> responder;
  std::string model;
  bool hide_thoughts = false;
  std::string id = new_id("msg_");

  json::object message(const Answer& answer, json::array content) const {
    json::object usage = usage_of(answer);
    usage["cache_creation"] = json::object{{"ephemeral_1h_input_tokens", 0}, {"ephemeral_5m_input_tokens", 0}};
    usage["service_tier"] = "standard";
    const bool ended = answer.finish.has_value();
    return {{"id", id},
            {"type", "message"},
            {"role", "assistant"},
            {"model", model},
            {"content", std::move(content)},
            {"stop_reason", ended ? json::value(stop_reason(answer)) : json::value()},
            {"stop_sequence", stop_sequence(answer)},
            {"usage", std::move(usage)}};
  }

  static json::object tool_use(const std::string& name, json::object input) {
    return {{"type", "tool_use"}, {"id", new_id("toolu_")}, {"name", name}, {"input", std::move(input)}};
  }

  /** `empty`: as a stream opens it. */
  json::object block(const ChatEvent& part, bool empty) const {
    if (const auto* text = std::get_if<TextDelta>(&part)) {
      return {{"type", "text"}, {"text", empty ? "" : text->text}, {"citations", nullptr}};
    }
    if (const auto* call = std::get_if<CallDelta>(&part)) return tool_use(call->name, {});
    if (const auto* call = std::get_if<ToolCall>(&part)) return tool_use(call->name, call->arguments);
    const std::string& thought = std::get<ThoughtDelta>(part).text;
    return {{"type", "thinking"},
            {"thinking", empty || hide_thoughts ? "" : thought},
            {"signature", empty ? "" : signature_of(thought, hide_thoughts)}};
  }
};

class WholeMessage final : public Reply {
 public:
  explicit WholeMessage(About about) : about_(std::move(about)) {}

  void started(const Answer&) override {}
  void piece(int, const ChatEvent& event, const Answer&) override { add_part(parts_, event); }
  void finished(int, const Answer& answer) override {
    if (answer.finish == Finish::error) return refused(Refusal(500, {"", answer.error}));
    json::array content;
    for (const ChatEvent& part : parts_) content.push_back(about_.block(part, false));
    HttpResponse response;
    response.body = write_json(about_.message(answer, std::move(content)));
    about_.responder->respond(std::move(response));
  }
  void done() override {}
  void refused(const Refusal& refusal) override { about_.responder->respond(anthropic_error(refusal)); }

 private:
  About about_;
  std::vector<ChatEvent> parts_;
};

class StreamedMessage final : public Reply {
 public:
  explicit StreamedMessage(About about) : about_(std::move(about)) {}

  void started(const Answer&) override {
    HttpResponse head = sse_head();
    head.keep_alive = sse(json::object{{"type", "ping"}}, "ping");
    about_.responder->begin(std::move(head));
  }

  void piece(int, const ChatEvent& event, const Answer& so_far) override {
    begin(so_far);
    if (const auto* call = std::get_if<ToolCall>(&event)) {
      if (!part_ || !std::holds_alternative<CallDelta>(*part_)) piece(0, in_one_piece(*call), so_far);
      return close_block();
    }
    if (!part_ || !goes_on(*part_, event)) {
      close_block();
      part_ = event;
      say({{"type", "content_block_start"}, {"index", index_}, {"content_block", about_.block(event, true)}});
    } else if (std::holds_alternative<ThoughtDelta>(event)) {
      join(*part_, event);
    }
    if (const auto* text = std::get_if<TextDelta>(&event)) delta({{"type", "text_delta"}, {"text", text->text}});
    if (const auto* thought = std::get_if<ThoughtDelta>(&event); thought != nullptr && !about_.hide_thoughts) {
      delta({{"type", "thinking_delta"}, {"thinking", thought->text}});
    }
    if (const auto* call = std::get_if<CallDelta>(&event)) {
      delta({{"type", "input_json_delta"}, {"partial_json", call->json}});
    }
  }

  void finished(int, const Answer& answer) override {
    begin(answer);
    close_block();
    if (answer.finish == Finish::error) {
      const json::object error = anthropic_error_object(Refusal(500, {"", answer.error}));
      return say({{"type", "error"}, {"error", error}});
    }
    say({{"type", "message_delta"},
         {"delta", json::object{{"stop_reason", stop_reason(answer)}, {"stop_sequence", stop_sequence(answer)}}},
         {"usage", usage_of(answer)}});
    say({{"type", "message_stop"}});
  }

  void done() override { about_.responder->end(); }
  void refused(const Refusal& refusal) override { about_.responder->respond(anthropic_error(refusal)); }

 private:
  void say(const json::object& event) { about_.responder->write(sse(event, event.at("type").get_string())); }
  void delta(json::object delta) {
    say({{"type", "content_block_delta"}, {"index", index_}, {"delta", std::move(delta)}});
  }

  /** With the first piece: by then it is known how much of the prompt was. */
  void begin(const Answer& so_far) {
    if (std::exchange(begun_, true)) return;
    Answer start;
    start.prompt_tokens = so_far.prompt_tokens;
    start.reused_tokens = so_far.reused_tokens;
    start.tokens = so_far.tokens;
    start.thought_tokens = so_far.thought_tokens;
    say({{"type", "message_start"}, {"message", about_.message(start, {})}});
  }

  void close_block() {
    if (!part_) return;
    if (const auto* thought = std::get_if<ThoughtDelta>(&*part_)) {
      delta({{"type", "signature_delta"}, {"signature", signature_of(thought->text, about_.hide_thoughts)}});
    }
    say({{"type", "content_block_stop"}, {"index", index_++}});
    part_.reset();
  }

  About about_;
  bool begun_ = false;
  std::optional<ChatEvent> part_;  // the block that is open; of a thought all of it
  int index_ = 0;
};

}  // namespace

json::object anthropic_error_object(const Refusal& refusal) {
  return {{"type", type_of(refusal.status)}, {"message", refusal.failure.message()}};
}

HttpResponse anthropic_error(const Refusal& refusal) {
  HttpResponse response;
  response.status = refusal.status;
  response.body = write_json(json::object{{"type", "error"}, {"error", anthropic_error_object(refusal)}});
  if (refusal.retry_after > 0) response.headers.emplace_back("retry-after", std::to_string(refusal.retry_after));
  return response;
}

std::shared_ptr<Reply> messages_reply(std::shared_ptr<Responder> responder, const MessagesRequest& request,
                                      std::string model) {
  About about{std::move(responder), std::move(model), request.hide_thoughts};
  if (request.stream) return std::make_shared<StreamedMessage>(std::move(about));
  return std::make_shared<WholeMessage>(std::move(about));
}

}  // namespace gemma::serve
