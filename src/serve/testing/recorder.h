// SPDX-License-Identifier: Apache-2.0
// For tests: a responder that keeps what is said, and answers that say it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "serve/http/message.h"
#include "serve/reply.h"

namespace gemma::serve {

struct Recorder final : Responder {
  void respond(HttpResponse response) override { head = std::move(response), ended = true; }
  void begin(HttpResponse response) override { head = std::move(response), stream = head.body; }
  void write(std::string piece) override { stream += piece; }
  void end() override { ended = true; }
  void when_gone(std::function<void()>) override {}
  void when_late(std::chrono::steady_clock::time_point, std::function<void()>) override {}

  json::object body() const { return parse_json(head.body).value().get_object(); }
  /** The data of a stream's events, of which the names must be their types. */
  std::vector<json::object> events() const {
    std::vector<json::object> out;
    std::string_view rest = stream;
    while (!rest.empty()) {
      const std::string_view block = rest.substr(0, rest.find("\n\n"));
      rest.remove_prefix(std::min(rest.size(), block.size() + 2));
      const size_t data = block.find("data: ");
      json::object event = parse_json(block.substr(data + 6)).value().get_object();
      if (data > 0 && block.substr(7, data - 8) != event.at("type").as_string()) event["name"] = "is another";
      out.push_back(std::move(event));
    }
    return out;
  }

  HttpResponse head;
  std::string stream;
  bool ended = false;
};

/** Says an answer of these pieces, a token each. */
inline void say(Reply& reply, const std::vector<ChatEvent>& pieces, Answer answer) {
  Answer so_far;
  so_far.prompt_tokens = answer.prompt_tokens;
  reply.started(so_far);
  so_far.reused_tokens = answer.reused_tokens;
  for (const ChatEvent& piece : pieces) {
    ++so_far.tokens;
    if (const auto* text = std::get_if<TextDelta>(&piece)) so_far.text += text->text;
    if (const auto* thought = std::get_if<ThoughtDelta>(&piece)) so_far.thought += thought->text;
    if (const auto* call = std::get_if<ToolCall>(&piece)) so_far.tool_calls.push_back(*call);
    reply.piece(0, piece, so_far);
  }
  answer.text = so_far.text;
  answer.thought = so_far.thought;
  answer.tool_calls = so_far.tool_calls;
  answer.tokens = so_far.tokens;
  reply.finished(0, answer);
  reply.done();
}

}  // namespace gemma::serve
