// SPDX-License-Identifier: Apache-2.0
#include "serve/openai_chat.h"

#include <utility>
#include <vector>

#include "serve/answer_parts.h"
#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

/** What both ways of answering know. */
struct About {
  std::shared_ptr<Responder> responder;
  std::string id = new_id("chatcmpl-"), model;
  int64_t created = seconds_now();
  bool logprobs = false, include_usage = false;
  std::shared_ptr<const Tokenizer> tokenizer;

  json::object head(std::string_view object) const {
    return {{"id", id}, {"object", object}, {"created", created}, {"model", model}};
  }
};

json::object call_object(const CallDelta& call) {
  return {{"id", new_id("call_")},
          {"type", "function"},
          {"function", json::object{{"name", call.name}, {"arguments", call.json}}}};
}

json::value logprobs_of(const About& about, const Answer& answer, size_t from) {
  if (!about.logprobs) return nullptr;
  return json::object{{"content", openai_logprobs(answer, from, *about.tokenizer)}, {"refusal", nullptr}};
}

class WholeChat final : public Reply {
 public:
  WholeChat(About about, int choices) : about_(std::move(about)), choices_(static_cast<size_t>(choices)) {}

  void started(const Answer&) override {}
  void piece(int, const ChatEvent&, const Answer&) override {}

  void finished(int choice, const Answer& answer) override {
    if (answer.finish == Finish::error) error_ = answer.error;
    json::object message{{"role", "assistant"}, {"content", nullptr}};
    if (!answer.text.empty() || answer.tool_calls.empty()) message["content"] = answer.text;
    if (!answer.thought.empty()) message["reasoning_content"] = answer.thought;
    message["refusal"] = nullptr;
    if (!answer.tool_calls.empty()) {
      json::array calls;
      for (const ToolCall& call : answer.tool_calls) calls.push_back(call_object(in_one_piece(call)));
      message["tool_calls"] = std::move(calls);
    }
    choices_[static_cast<size_t>(choice)] = {{"index", choice},
                                             {"message", std::move(message)},
                                             {"logprobs", logprobs_of(about_, answer, 0)},
                                             {"finish_reason", openai_finish(answer)}};
    add_usage(usage_, answer);
  }

  void done() override {
    if (!error_.empty()) return refused(Refusal(500, {"", error_}));
    json::object out = about_.head("chat.completion");
    out["choices"] = json::array(choices_.begin(), choices_.end());
    out["usage"] = openai_usage(usage_);
    out["system_fingerprint"] = nullptr;
    HttpResponse response;
    response.body = write_json(out);
    about_.responder->respond(std::move(response));
  }

  void refused(const Refusal& refusal) override { about_.responder->respond(openai_error(refusal)); }

 private:
  About about_;
  std::vector<json::object> choices_;
  Answer usage_;
  std::string error_;
};

class StreamedChat final : public Reply {
 public:
  StreamedChat(About about, int choices) : about_(std::move(about)), choices_(static_cast<size_t>(choices)) {}

  void started(const Answer&) override {
    HttpResponse head = sse_head();
    for (size_t i = 0; i < choices_.size(); ++i) {
      head.body += chunk(static_cast<int>(i), {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
    }
    about_.responder->begin(std::move(head));
  }

  void piece(int choice, const ChatEvent& event, const Answer& so_far) override {
    Choice& c = choices_[static_cast<size_t>(choice)];
    const bool in_call = std::exchange(c.in_call, std::holds_alternative<CallDelta>(event));
    json::object delta;
    if (const auto* text = std::get_if<TextDelta>(&event)) delta = {{"content", text->text}};
    if (const auto* thought = std::get_if<ThoughtDelta>(&event)) delta = {{"reasoning_content", thought->text}};
    if (const auto* call = std::get_if<CallDelta>(&event)) delta = call_piece(c, *call, in_call);
    if (const auto* call = std::get_if<ToolCall>(&event)) {
      if (in_call) return;  // all of it is out
      delta = call_piece(c, in_one_piece(*call), false);
    }
    const json::value logprobs = logprobs_of(about_, so_far, c.said);
    c.said = so_far.logprobs.size();
    about_.responder->write(chunk(choice, std::move(delta), logprobs, nullptr));
  }

  void finished(int choice, const Answer& answer) override {
    add_usage(usage_, answer);
    if (answer.finish == Finish::error) {
      about_.responder->write(sse(json::object{{"error", openai_error_object(Refusal(500, {"", answer.error}))}}));
      return;
    }
    Choice& c = choices_[static_cast<size_t>(choice)];
    const bool more = c.said < answer.logprobs.size();
    const json::value logprobs = more ? logprobs_of(about_, answer, c.said) : json::value();
    about_.responder->write(chunk(choice, {}, logprobs, json::value(openai_finish(answer))));
  }

  void done() override {
    if (about_.include_usage) {
      json::object out = about_.head("chat.completion.chunk");
      out["choices"] = json::array();
      out["usage"] = openai_usage(usage_);
      about_.responder->write(sse(out));
    }
    about_.responder->write("data: [DONE]\n\n");
    about_.responder->end();
  }

  void refused(const Refusal& refusal) override { about_.responder->respond(openai_error(refusal)); }

 private:
  struct Choice {
    int calls = 0;
    bool in_call = false;  // the last of them goes on
    size_t said = 0;       // log-probabilities that are out
  };

  /** Id, type and name come once: clients join what they are given of each. */
  static json::object call_piece(Choice& choice, const CallDelta& call, bool goes_on) {
    json::object piece =
        goes_on ? json::object{{"function", json::object{{"arguments", call.json}}}} : call_object(call);
    piece["index"] = goes_on ? choice.calls - 1 : choice.calls++;
    return {{"tool_calls", json::array{std::move(piece)}}};
  }

  std::string chunk(int index, json::object delta, const json::value& logprobs, json::value finish) const {
    json::object out = about_.head("chat.completion.chunk");
    out["system_fingerprint"] = nullptr;
    out["choices"] = json::array{json::object{
        {"index", index}, {"delta", std::move(delta)}, {"logprobs", logprobs}, {"finish_reason", std::move(finish)}}};
    if (about_.include_usage) out["usage"] = nullptr;
    return sse(out);
  }

  About about_;
  std::vector<Choice> choices_;
  Answer usage_;
};

}  // namespace

std::shared_ptr<Reply> chat_reply(std::shared_ptr<Responder> responder, const ChatRequest& request, std::string model,
                                  const ServedModel& served) {
  About about;
  about.responder = std::move(responder);
  about.model = std::move(model);
  about.logprobs = request.ask.answer.logprobs;
  about.include_usage = request.include_usage;
  about.tokenizer = served.tokenizer;
  if (request.stream) return std::make_shared<StreamedChat>(std::move(about), request.ask.choices);
  return std::make_shared<WholeChat>(std::move(about), request.ask.choices);
}

}  // namespace gemma::serve
