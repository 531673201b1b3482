// SPDX-License-Identifier: Apache-2.0
#include "serve/generation.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "media/worker.h"

namespace gemma::serve {
namespace {

/** The bytes as a file without a name, which a worker process can be handed. */
File file_of(const MediaSource& source) {
  const int fd = ::memfd_create("media", MFD_CLOEXEC);
  if (fd < 0) fail(source.name, "cannot be kept: {}", std::strerror(errno));
  size_t done = 0;
  while (done < source.bytes.size()) {
    const ssize_t written = ::write(fd, source.bytes.data() + done, source.bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = errno;
      ::close(fd);
      fail(source.name, "cannot be kept: {}", std::strerror(error));
    }
    done += static_cast<size_t>(written);
  }
  return File::adopt(fd, source.name);
}

}  // namespace

Result<std::shared_ptr<const Media>> decoded(const ServedModel& model, const MediaSource& source,
                                             media::PrepareOptions how) {
  if (!model.media.takes(source.kind)) {
    return Failure{source.name, fmt::format("the model '{}' has no encoder of {}", model.name,
                                            source.kind == media::Kind::audio ? "sound" : "pictures")};
  }
  how.kind = source.kind;
  how.budget = source.budget;
  try {
    model.media.set(how);
    const media::Prepared prepared = media::prepare_apart(file_of(source), how, {});
    return std::make_shared<const Media>(media_of(source.name, source.kind, prepared, model.media.encoders));
  } catch (const Error& error) {  // begins with the file's name, which is the field's
    const std::string named = source.name + ": ", what = error.what();
    return Failure{source.name, what.starts_with(named) ? what.substr(named.size()) : what};
  }
}

Refusal queue_is_full() {
  Refusal full(429, {"", "the queue is full: too many requests are waiting"});
  full.retry_after = 1;
  return full;
}

Result<int64_t> count_prompt(const ServedModel& model, Ask ask) {
  MediaList media;
  for (const MediaSource& source : ask.media) {
    auto one = decoded(model, source);
    if (!one) return one.failure();
    media.push_back(std::move(one).value());
  }
  return Exchange::count(model.speaker, ask.messages, std::move(media), ask.answer);
}

void Generation::begin() {
  if (cancelled_.load()) return;
  if (auto refusal = prepare()) return refuse(std::move(*refusal));
  model_->thread->post([self = shared_from_this()] { self->start(); });
}

std::optional<Refusal> Generation::prepare() {
  for (MediaSource& source : ask_.media) {
    if (cancelled_.load()) return std::nullopt;
    auto one = decoded(*model_, source);
    if (!one) return Refusal(one.failure());
    media_.push_back(std::move(one).value());
    source.bytes = {};
  }
  if (auto failure = hold_to_form(ask_, *model_)) return Refusal(std::move(*failure));
  return std::nullopt;
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

void Generation::start() {
  if (cancelled_.load()) return;
  const size_t prompts = std::max<size_t>(1, ask_.prompts.size());
  for (size_t p = 0; p < prompts; ++p) {
    for (int i = 0; i < ask_.choices; ++i) {
      AnswerOptions options = ask_.answer;
      options.sampling.seed += exchanges_.size();
      auto exchange = exchange_of(ask_.prompts.empty() ? nullptr : &ask_.prompts[p], std::move(options));
      if (!exchange) {
        exchanges_.clear();
        return reply_->refused(exchange.failure());
      }
      exchanges_.push_back(std::move(exchange).value());
    }
  }
  running_ = static_cast<int>(exchanges_.size());
  for (int choice = 0; choice < running_; ++choice) {
    if (submit(choice)) continue;
    exchanges_.clear();
    return reply_->refused(queue_is_full());
  }
  reply_->started(exchanges_[0]->answer());
}

bool Generation::submit(int choice) {
  Exchange& exchange = *exchanges_[static_cast<size_t>(choice)];
  return exchange.submit(
      [this, choice, &exchange](const ChatEvent& event) {
        if (!cancelled_.load()) reply_->piece(choice, event, exchange.answer());
      },
      [self = shared_from_this(), choice] { self->end(choice); });
}

void Generation::end(int choice) {
  metrics_.answer(exchanges_[static_cast<size_t>(choice)]->answer());
  if (!cancelled_.load()) {
    reply_->finished(choice, exchanges_[static_cast<size_t>(choice)]->answer());
    if (--running_ == 0) reply_->done();
  } else {
    --running_;
  }
  // Not here: the exchange that calls is one of them.
  if (running_ == 0) model_->thread->post([self = shared_from_this()] { self->exchanges_.clear(); });
}

void Generation::cancel() {
  if (cancelled_.exchange(true)) return;
  model_->thread->post([self = shared_from_this()] {
    self->exchanges_.clear();  // which cancels those that have not ended
    self->reply_.reset();
  });
}

}  // namespace gemma::serve
