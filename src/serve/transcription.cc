// SPDX-License-Identifier: Apache-2.0
#include "serve/transcription.h"

#include <fmt/format.h>

#include <utility>

#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

HeardPiece piece_of(const Answer& answer) {
  HeardPiece piece;
  for (const TokenLogprob& each : answer.logprobs) {
    if (!each.in_text) continue;
    piece.tokens.push_back(each.token);
    piece.mean_logprob += each.logprob;
  }
  if (!piece.tokens.empty()) piece.mean_logprob /= static_cast<double>(piece.tokens.size());
  return piece;
}

int64_t soft_tokens_of(const Media& clip) {
  int64_t sum = 0;
  for (const MediaBlock& block : clip.item.blocks) sum += block.soft_tokens;
  return sum;
}

}  // namespace

void Transcribing::begin() {
  media::PrepareOptions how;
  how.cut = media::Cut::pauses;
  how.wave = false;
  auto sound = decoded(*model_, request_.sound, how);
  if (!sound) return give_up(sound.failure());
  request_.sound.bytes = {};
  model_->thread->post([self = shared_from_this(), sound = std::move(sound).value()] {
    if (self->cancelled_.load()) return;
    self->run_ = std::make_unique<SpeechRun>(self->request_.task, sound, self->request_.before, false);
    self->next();
  });
}

void Transcribing::cancel() {
  if (cancelled_.exchange(true)) return;
  model_->thread->post([self = shared_from_this()] { self->exchange_.reset(); });
}

void Transcribing::next() {
  if (cancelled_.load()) return;
  run_->next() ? ask() : finish();
}

void Transcribing::ask() {
  if (cancelled_.load()) return;
  AnswerOptions options = request_.answer;
  options.max_tokens = run_->most_tokens();
  const json::object question{{"type", "text"}, {"text", run_->question()}};
  const json::array messages{
      json::object{{"role", "user"}, {"content", json::array{media_part(Medium::audio), question}}}};
  auto exchange = Exchange::chat(model_->speaker, messages, {run_->clip()}, options);
  if (!exchange) return give_up(exchange.failure());
  exchange_ = std::move(exchange).value();
  if (exchange_->submit([](const ChatEvent&) {}, [self = shared_from_this()] { self->heard(); })) {
    if (request_.stream && !std::exchange(streaming_, true)) responder_->begin(sse_head());
    return;
  }
  if (pieces_.empty()) return give_up(queue_is_full());
  // What has been heard is not thrown away: it waits, a step of the engine at a time, until there is room.
  model_->thread->post([self = shared_from_this()] { self->ask(); });
}

void Transcribing::heard() {
  const Answer& answer = exchange_->answer();
  metrics_.answer(answer);
  if (cancelled_.load()) return;
  if (answer.finish == Finish::error) return give_up(Refusal(500, {"", answer.error}));
  run_->hear(answer);
  pieces_.push_back(piece_of(answer));
  answers_.prompt_tokens += answer.prompt_tokens;
  answers_.tokens += answer.tokens;
  audio_tokens_ += soft_tokens_of(*run_->clip());
  if (streaming_) say_settled(pieces_.size() - 1);
  // Not here: the exchange is the one that calls.
  model_->thread->post([self = shared_from_this()] {
    self->exchange_.reset();
    self->next();
  });
}

/** What the first segments add to what has been said. */
void Transcribing::say_settled(size_t segments) {
  const std::string words = run_->transcript().words(segments);
  if (words.size() == said_) return;
  responder_->write(sse(json::object{{"type", "transcript.text.delta"}, {"delta", words.substr(said_)}}));
  said_ = words.size();
}

void Transcribing::finish() {
  if (!request_.stream) {
    return responder_->respond(transcription_response(request_, *run_, pieces_, answers_, audio_tokens_));
  }
  if (!std::exchange(streaming_, true)) responder_->begin(sse_head());
  say_settled(pieces_.size());
  responder_->write(sse(json::object{{"type", "transcript.text.done"},
                                     {"text", run_->transcript().words(pieces_.size())},
                                     {"usage", transcription_usage(answers_, audio_tokens_)}}));
  responder_->end();
}

void Transcribing::give_up(const Refusal& refusal) {
  if (cancelled_.load()) return;
  if (!streaming_) return responder_->respond(openai_error(refusal));
  responder_->write(sse(json::object{{"error", openai_error_object(refusal)}}));
  responder_->end();
}

}  // namespace gemma::serve
