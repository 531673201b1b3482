// SPDX-License-Identifier: Apache-2.0
#include "serve/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace gemma::serve {
namespace {

constexpr int kRetryLate = 10;  // seconds: who comes back at once finds the queue that it has left

}  // namespace

Refusal queue_is_full() {
  Refusal full(429, {"", "the queue is full: too many requests are waiting"});
  full.retry_after = 1;
  return full;
}

Refusal waited_too_long() {
  // Not 429: it is not this client who asks too much. Not 408 or 504: it need not hurry, and nobody behind us was slow.
  Refusal late(503, {"", "it has waited as long as this server lets requests wait, and could not be begun"});
  late.retry_after = kRetryLate;
  return late;
}

bool Generation::fits(int64_t most) {
  const int64_t answers = ask_.choices * std::max<int64_t>(1, std::ssize(ask_.prompts));
  if (answers <= most) return true;
  refuse(Failure{ask_.choices > 1 ? "n" : "prompt",
                 fmt::format("asks for {} answers, expected at most {} (--parallel and --queue)", answers, most)});
  return false;
}

bool Generation::take_media() {
  if (cancelled_.load()) return false;
  auto media = intake_.take(*model_, ask_, [this] { return !cancelled_.load(); });
  if (!media) {
    refuse(Refusal(media.failure()));
    return false;
  }
  media_ = std::move(media).value();
  return true;
}

bool Generation::take_form() {
  if (cancelled_.load()) return false;
  auto failure = hold_to_form(ask_, *model_, metrics_);
  if (failure) refuse(Refusal(std::move(*failure)));
  return !failure;
}

void Generation::begin() {
  if (cancelled_.load()) return;
  log_prompt();
  auto rendered = render();
  if (!rendered) return refuse(Refusal(rendered.failure()));
  rendered_ = std::move(rendered).value();
  model_->thread->post([self = shared_from_this()] { self->start(); });
}

void Generation::refuse(Refusal refusal) {
  model_->thread->post([self = shared_from_this(), refusal = std::move(refusal)] {
    if (!self->cancelled_.load()) self->reply_->refused(refusal);
  });
}

Result<std::unique_ptr<Exchange>> Generation::exchange_of(const PlainPrompt* prompt, AnswerOptions options) const {
  if (prompt == nullptr) return Exchange::chat(model_->speaker, ask_.messages, media_, options);
  if (!prompt->tokens.empty()) return Exchange::raw(model_->speaker, prompt->tokens, options);
  return Exchange::raw(model_->speaker, prompt->text, prompt->specials, media_, options);
}

Result<Generation::Exchanges> Generation::render() const {
  Exchanges exchanges;
  const size_t prompts = std::max<size_t>(1, ask_.prompts.size());
  for (size_t p = 0; p < prompts; ++p) {
    for (int i = 0; i < ask_.choices; ++i) {
      AnswerOptions options = ask_.answer;
      options.sampling.seed += exchanges.size();
      if (!exchanges.empty()) options.deadline.reset();  // once the first has begun the request has
      auto exchange = exchange_of(ask_.prompts.empty() ? nullptr : &ask_.prompts[p], std::move(options));
      if (!exchange) return exchange.failure();
      exchanges.push_back(std::move(exchange).value());
    }
  }
  return exchanges;
}

void Generation::log_prompt() const {
  if (!ask_.log || !ask_.log->wants_content()) return;
  if (ask_.prompts.empty()) return ask_.log->set("messages", ask_.messages);
  json::array prompts;
  for (const PlainPrompt& each : ask_.prompts) {
    prompts.push_back(each.tokens.empty() ? json::value(each.text) : json::value_from(each.tokens));
  }
  ask_.log->set("prompts", std::move(prompts));
}

/** Before the last of them is told: then the request's line is written. */
void Generation::log_answers() const {
  if (!ask_.log || !ask_.log->wants_content()) return;
  json::array answers;
  for (const auto& each : exchanges_) {
    const Answer& answer = each->answer();
    json::object said{{"text", answer.text}};
    if (!answer.thought.empty()) said["thought"] = answer.thought;
    json::array calls;
    for (const ToolCall& call : answer.tool_calls)
      calls.push_back({{"name", call.name}, {"arguments", call.arguments}});
    if (!calls.empty()) said["calls"] = std::move(calls);
    answers.push_back(std::move(said));
  }
  ask_.log->set("answers", std::move(answers));
}

void Generation::start() {
  if (cancelled_.load()) return;
  exchanges_ = std::move(rendered_);
  running_ = static_cast<int>(exchanges_.size());
  waits_.resize(exchanges_.size());
  for (int choice = 0; choice < running_; ++choice) {
    if (submit(choice)) continue;
    for (int other = 0; other < choice; ++other) begun(other);
    exchanges_.clear();
    return reply_->refused(queue_is_full());
  }
  // With a deadline not before the engine has begun: until then it may still be refused.
  if (!ask_.answer.deadline) say_started();
}

void Generation::say_started() {
  if (!std::exchange(started_, true)) reply_->started(exchanges_[0]->answer());
}

bool Generation::submit(int choice) {
  Exchange& exchange = *exchanges_[static_cast<size_t>(choice)];
  const bool taken = exchange.submit(
      [this, choice, &exchange](const ChatEvent& event) {
        begun(choice);
        if (cancelled_.load()) return;
        say_started();
        reply_->piece(choice, event, exchange.answer());
      },
      [self = shared_from_this(), choice] { self->end(choice); });
  waits_[static_cast<size_t>(choice)] = taken;
  if (taken) metrics_.waits(1);
  return taken;
}

void Generation::begun(int choice) {
  const auto at = static_cast<size_t>(choice);
  if (!waits_[at]) return;
  waits_[at] = false;
  metrics_.waits(-1);
}

void Generation::end(int choice) {
  const Answer& answer = exchanges_[static_cast<size_t>(choice)]->answer();
  begun(choice);
  metrics_.answer(answer);
  --running_;
  if (running_ == 0) log_answers();
  if (!cancelled_.load()) {
    if (answer.finish == Finish::late) return end_late();
    say_started();
    reply_->finished(choice, answer);
    if (running_ == 0) reply_->done();
  }
  // Not here: the exchange that calls is one of them.
  if (running_ == 0) model_->thread->post([self = shared_from_this()] { self->exchanges_.clear(); });
}

/** One choice that could not be begun ends all. */
void Generation::end_late() {
  if (started_) {
    Answer broken;
    broken.finish = Finish::error;
    broken.error = waited_too_long().failure.reason;
    for (size_t i = 0; i < exchanges_.size(); ++i) {
      if (!exchanges_[i]->answer().finish || exchanges_[i]->answer().finish == Finish::late) {
        reply_->finished(static_cast<int>(i), broken);
      }
    }
    reply_->done();
  } else {
    reply_->refused(waited_too_long());
  }
  cancel();
}

void Generation::cancel() {
  if (cancelled_.exchange(true)) return;
  model_->thread->post([self = shared_from_this()] {
    for (int choice = 0; choice < std::ssize(self->waits_); ++choice) self->begun(choice);
    for (const auto& each : self->exchanges_) {
      if (!each->answer().finish) self->metrics_.answer(each->answer());
    }
    self->exchanges_.clear();  // which cancels those that have not ended
    self->reply_.reset();
  });
}

}  // namespace gemma::serve
