// SPDX-License-Identifier: Apache-2.0
#include "serve/transcription.h"

#include <fmt/format.h>

#include <algorithm>
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
  auto sound = intake_.take(
      *model_, {std::move(request_.sound)}, request_.answer.salt, [this] { return !cancelled_.load(); }, how);
  if (!sound) return give_up(sound.failure());
  model_->thread->post([self = shared_from_this(), sound = sound.value()[0]] {
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

AnswerOptions Transcribing::options_of_piece() const {
  AnswerOptions options = request_.answer;
  options.max_tokens = run_->most_tokens();
  if (request_.forced.empty()) return options;
  Ask held;
  held.forced = request_.forced[std::min(heard_.pieces.size(), request_.forced.size() - 1)];
  held.answer = std::move(options);
  GEMMA_CHECK(!hold_to_form(held, *model_, metrics_), "these rules are a grammar already");
  return std::move(held.answer);
}

void Transcribing::ask() {
  if (cancelled_.load()) return;
  const json::object question{{"type", "text"}, {"text", run_->question()}};
  const json::array messages{
      json::object{{"role", "user"}, {"content", json::array{media_part(Medium::audio), question}}}};
  auto exchange = Exchange::chat(model_->speaker, messages, {run_->clip()}, options_of_piece());
  if (!exchange) {
    if (!failure_) failure_ = exchange.failure();
    Answer none;
    none.finish = Finish::error;
    none.error = exchange.failure().message();
    return take(none);
  }
  exchange_ = std::move(exchange).value();
  if (exchange_->submit([](const ChatEvent&) {}, [self = shared_from_this()] { self->heard(); })) {
    if (!request_.answer.deadline) begin_stream();
    return;
  }
  if (heard_.pieces.empty()) return give_up(queue_is_full());
  // What has been heard is not thrown away: it waits, a step of the engine at a time, until there is room.
  model_->thread->post([self = shared_from_this()] { self->ask(); });
}

void Transcribing::begin_stream() {
  if (request_.stream && !std::exchange(streaming_, true)) responder_->begin(sse_head());
}

void Transcribing::heard() {
  const Answer& answer = exchange_->answer();
  metrics_.answer(answer);
  if (cancelled_.load()) return;
  if (answer.finish == Finish::late) return give_up(waited_too_long());
  request_.answer.deadline.reset();  // it has begun
  heard_.audio_tokens += soft_tokens_of(*run_->clip());
  take(answer);
}

/** The answer about a piece, or that there is none: as at the command line the others are asked about all the same. */
void Transcribing::take(const Answer& answer) {
  const std::string wrong = run_->hear(answer);
  const SpeechSegment& segment = run_->segment();
  if (!wrong.empty()) {
    heard_.warnings.push_back(json::value(fmt::format("{:.1f} s to {:.1f} s: {}", segment.begin, segment.end, wrong)));
  }
  heard_.pieces.push_back(piece_of(answer));
  heard_.sum.prompt_tokens += answer.prompt_tokens;
  heard_.sum.tokens += answer.tokens;
  if (answer.finish != Finish::error) begin_stream();
  if (streaming_) say_settled(heard_.pieces.size() - 1);
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
  if (!run_->heard()) {
    if (failure_) return give_up(std::move(*failure_));
    return give_up(Refusal(500, {"", "no piece of it could be heard: " + write_json(heard_.warnings)}));
  }
  if (!request_.stream) return responder_->respond(transcription_response(request_, *run_, heard_));
  begin_stream();
  say_settled(heard_.pieces.size());
  responder_->write(sse(transcript_object(*run_, heard_, "transcript.text.done")));
  responder_->end();
}

void Transcribing::give_up(const Refusal& refusal) {
  if (cancelled_.load()) return;
  if (!streaming_) return responder_->respond(openai_error(refusal));
  responder_->write(sse(json::object{{"error", openai_error_object(refusal)}}));
  responder_->end();
}

}  // namespace gemma::serve
