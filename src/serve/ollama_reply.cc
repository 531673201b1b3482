// SPDX-License-Identifier: Apache-2.0
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "serve/ollama.h"
#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

std::string_view done_reason(const Answer& answer) {
  return answer.finish == Finish::length || answer.finish == Finish::context ? "length" : "stop";
}

class OllamaReply final : public Reply {
 public:
  OllamaReply(std::shared_ptr<Responder> responder, const OllamaRequest& request, std::string model,
              const ServedModel& served)
      : responder_(std::move(responder)),
        way_(request.way),
        stream_(request.stream),
        logprobs_(request.ask.answer.logprobs),
        model_(std::move(model)),
        tokenizer_(served.tokenizer) {}

  void started(const Answer&) override {
    if (!stream_) return;
    HttpResponse head;
    head.type = "application/x-ndjson";
    responder_->begin(std::move(head));
  }

  void piece(int, const ChatEvent& event, const Answer& so_far) override {
    if (!stream_ || std::holds_alternative<CallDelta>(event)) return;  // calls are whole in this API
    Answer delta;
    if (const auto* text = std::get_if<TextDelta>(&event)) delta.text = text->text;
    if (const auto* thought = std::get_if<ThoughtDelta>(&event)) delta.thought = thought->text;
    if (const auto* call = std::get_if<ToolCall>(&event)) delta.tool_calls.push_back(*call);
    json::object out = said(delta);
    add_logprobs(out, so_far);
    out["done"] = false;
    line(out);
  }

  void finished(int, const Answer& answer) override {
    if (answer.finish == Finish::error) {
      if (stream_) return line({{"error", answer.error}});
      return refused(Refusal(500, {"", answer.error}));
    }
    json::object out = said(stream_ ? Answer() : answer);
    add_logprobs(out, answer);
    out["done"] = true;
    out["done_reason"] = done_reason(answer);
    out["total_duration"] = nanoseconds(seconds_since(begun_));
    out["load_duration"] = 0;
    out["prompt_eval_count"] = answer.prompt_tokens;
    out["prompt_eval_duration"] = nanoseconds(answer.first_token_seconds);
    out["eval_count"] = answer.tokens;
    out["eval_duration"] = nanoseconds(answer.seconds - answer.first_token_seconds);
    if (stream_) return line(out);
    HttpResponse response;
    response.body = write_json(out);
    responder_->respond(std::move(response));
  }

  void done() override {
    if (stream_) responder_->end();
  }
  void refused(const Refusal& refusal) override { responder_->respond(ollama_error(refusal)); }

 private:
  void line(const json::object& object) { responder_->write(write_json(object) + "\n"); }

  /** What `part` says, a whole answer or a piece of one. */
  json::object said(const Answer& part) {
    json::object out{{"model", model_}, {"created_at", time_text()}};
    if (way_ == OllamaWay::generate) {
      out["response"] = part.text;
      if (!part.thought.empty()) out["thinking"] = part.thought;
      return out;
    }
    json::object message{{"role", "assistant"}, {"content", part.text}};
    if (!part.thought.empty()) message["thinking"] = part.thought;
    json::array calls;
    for (const ToolCall& call : part.tool_calls) {
      json::object function{{"index", calls_++}, {"name", call.name}, {"arguments", call.arguments}};
      calls.push_back({{"id", new_id("call_")}, {"function", std::move(function)}});
    }
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    out["message"] = std::move(message);
    return out;
  }

  void add_logprobs(json::object& out, const Answer& so_far) {
    if (!logprobs_) return;
    json::array more = openai_logprobs(so_far, said_, *tokenizer_);
    said_ = so_far.logprobs.size();
    if (!more.empty()) out["logprobs"] = std::move(more);
  }

  std::shared_ptr<Responder> responder_;
  const OllamaWay way_;
  const bool stream_, logprobs_;
  const std::string model_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const Clock::time_point begun_ = Clock::now();
  int calls_ = 0;
  size_t said_ = 0;  // log-probabilities that are out
};

}  // namespace

std::string time_text(int64_t seconds) { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds)); }

std::string time_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)),
                     micros % 1'000'000);
}

HttpResponse ollama_error(const Refusal& refusal) {
  HttpResponse response;
  response.status = refusal.status;
  response.body = write_json(json::object{{"error", refusal.failure.message()}});
  if (refusal.retry_after > 0) response.headers.emplace_back("retry-after", std::to_string(refusal.retry_after));
  return response;
}

HttpResponse ollama_idle(const OllamaRequest& request, const std::string& model) {
  json::object out{{"model", model}, {"created_at", time_text()}};
  if (request.way == OllamaWay::chat) {
    out["message"] = json::object{{"role", "assistant"}, {"content", ""}};
  } else {
    out["response"] = "";
  }
  out["done"] = true;
  out["done_reason"] = request.idle;
  HttpResponse response;
  response.body = write_json(out) + (request.stream ? "\n" : "");
  if (request.stream) response.type = "application/x-ndjson";
  return response;
}

std::shared_ptr<Reply> ollama_reply(std::shared_ptr<Responder> responder, const OllamaRequest& request,
                                    std::string model, const ServedModel& served) {
  return std::make_shared<OllamaReply>(std::move(responder), request, std::move(model), served);
}

}  // namespace gemma::serve
