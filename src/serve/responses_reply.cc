// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "serve/openai_wire.h"
#include "serve/responses.h"

namespace gemma::serve {
namespace {

json::object usage_of(const Answer& answer) {
  return {{"input_tokens", answer.prompt_tokens},
          {"input_tokens_details", json::object{{"cached_tokens", answer.reused_tokens}, {"cache_write_tokens", 0}}},
          {"output_tokens", answer.tokens},
          {"output_tokens_details", json::object{{"reasoning_tokens", answer.thought_tokens}}},
          {"total_tokens", answer.prompt_tokens + answer.tokens}};
}

/** What streams and those that keep responses have in common. Its own end is said on the desk's thread, when what is to
 *  be kept is: a client may go on from it at once. */
class ResponsesReply final : public Reply, public std::enable_shared_from_this<ResponsesReply> {
 public:
  ResponsesReply(std::shared_ptr<Responder> responder, const ResponsesRequest& request, const ServedModel& served,
                 std::shared_ptr<ResponseDesk> desk, StoredResponse stored)
      : responder_(std::move(responder)),
        stream_(request.stream),
        store_(request.store),
        background_(request.background),
        desk_(std::move(desk)),
        stored_(std::move(stored)),
        output_(request.form, served.tokenizer,
                [this](std::string_view type, json::object event) { say(type, std::move(event)); }) {}

  /** A stream whose answer was cancelled ends. */
  ~ResponsesReply() override {
    if (begun_) responder_->end();
  }

  void started(const Answer&) override {
    if (background_ && !stream_) respond(stored_.response);
    stored_.response["status"] = "in_progress";
    if (background_) desk_->keep_begun(stored_);
    if (!stream_) return;
    responder_->begin(sse_head());
    begun_ = true;
    say("response.created", {{"response", stored_.response}});
    say("response.in_progress", {{"response", stored_.response}});
  }

  void piece(int, const ChatEvent& event, const Answer& so_far) override { output_.piece(event, so_far); }

  void finished(int, const Answer& answer) override {
    const bool whole = answer.finish == Finish::stop;
    output_.finish(answer, whole);
    json::object& response = stored_.response;
    response["output"] = output_.items();
    response["usage"] = usage_of(answer);
    response["completed_at"] = whole ? json::value(seconds_now()) : json::value();
    response["status"] = whole ? "completed" : "incomplete";
    if (answer.finish == Finish::error) return failed(answer.error);
    if (!whole) response["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
  }

  void done() override {
    // A response that was cancelled is the canceller's to keep.
    if (background_ && !desk_->over(stored_.id)) return;
    begun_ = false;
    if (!store_) return say_end();
    // It goes on on the desk's thread; nobody calls it here any more.
    desk_->keep(stored_, [self = shared_from_this()](bool kept) {
      if (self->background_) self->desk_->gone(self->stored_.id);
      self->stored_.response["store"] = kept;
      self->say_end();
    });
  }

  void refused(const Refusal& refusal) override {
    if (!background_) return responder_->respond(openai_error(refusal));
    if (!desk_->over(stored_.id)) return;
    desk_->gone(stored_.id);
    desk_->forget(stored_.id, stored_.owner, [responder = responder_, refusal](const std::optional<Failure>&) {
      responder->respond(openai_error(refusal));  // nothing has been said
    });
  }

 private:
  void failed(const std::string& why) {
    failed_ = true;
    stored_.response["status"] = "failed";
    stored_.response["error"] = json::object{{"code", "server_error"}, {"message", why}};
    error_ = {{"error", openai_error_object(Refusal(500, {"", why}))}};
  }

  /** To who still listens. */
  void say_end() {
    if (stream_) {
      const std::string type = "response." + std::string(stored_.response["status"].get_string());
      responder_->write(event(type, {{"response", stored_.response}}));
      return responder_->end();
    }
    if (background_) return;
    failed_ ? respond(error_, 500) : respond(stored_.response);
  }

  void respond(const json::object& object, int status = 200) {
    HttpResponse whole;
    whole.status = status;
    whole.body = write_json(object);
    responder_->respond(std::move(whole));
  }

  std::string event(std::string_view type, json::object data) {
    json::object out{{"type", type}, {"sequence_number", sequence_++}};
    for (auto& pair : data) out[pair.key()] = std::move(pair.value());
    return sse(out, type);
  }
  void say(std::string_view type, json::object data) {
    if (stream_) responder_->write(event(type, std::move(data)));
  }

  const std::shared_ptr<Responder> responder_;
  const bool stream_, store_, background_;
  const std::shared_ptr<ResponseDesk> desk_;
  StoredResponse stored_;
  ResponseOutput output_;
  int64_t sequence_ = 0;
  bool begun_ = false, failed_ = false;
  json::object error_;
};

}  // namespace

json::object response_object(const ResponsesRequest& request, const std::string& model, std::string_view status) {
  json::object out{
      {"id", new_id("resp_")},   {"object", "response"}, {"created_at", seconds_now()},   {"status", status},
      {"completed_at", nullptr}, {"error", nullptr},     {"incomplete_details", nullptr}, {"model", model},
      {"output", json::array()}, {"usage", nullptr}};
  for (const auto& pair : request.said) out[pair.key()] = pair.value();
  return out;
}

std::shared_ptr<Reply> responses_reply(std::shared_ptr<Responder> responder, const ResponsesRequest& request,
                                       const ServedModel& served, std::shared_ptr<ResponseDesk> desk,
                                       StoredResponse stored) {
  return std::make_shared<ResponsesReply>(std::move(responder), request, served, std::move(desk), std::move(stored));
}

}  // namespace gemma::serve
