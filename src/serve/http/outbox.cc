// SPDX-License-Identifier: Apache-2.0
#include "serve/http/outbox.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace gemma::serve {

void Outbox::respond(HttpResponse response) {
  std::unique_lock lock(mutex_);
  if (gone_) return;
  GEMMA_CHECK(!begun_, "one answer to a request");
  begun_ = ended_ = true;
  news_.head = std::move(response);
  news_.whole = news_.ended = true;
  wake_(Wake::news);
}

void Outbox::begin(HttpResponse head) {
  std::unique_lock lock(mutex_);
  if (gone_) return;
  GEMMA_CHECK(!begun_, "one answer to a request");
  begun_ = true;
  news_.pieces += std::exchange(head.body, {});
  count(static_cast<int64_t>(news_.pieces.size()));
  news_.head = std::move(head);
  wake_(Wake::news);
}

void Outbox::write(std::string piece) {
  std::unique_lock lock(mutex_);
  if (gone_ || piece.empty()) return;
  GEMMA_CHECK(begun_ && !ended_, "pieces come between the beginning and the end");
  count(static_cast<int64_t>(piece.size()));
  if (waiting_ > limit_ + 2 * largest_) return wake_(Wake::overflow);
  news_.pieces += piece;
  wake_(Wake::news);
}

void Outbox::count(int64_t bytes) {
  waiting_ += bytes;
  largest_ = std::max(largest_, bytes);
}

void Outbox::end() {
  std::unique_lock lock(mutex_);
  if (gone_ || ended_) return;
  GEMMA_CHECK(begun_, "a stream begins before it ends");
  ended_ = news_.ended = true;
  wake_(Wake::news);
}

void Outbox::when_gone(std::function<void()> gone) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_) {
      when_gone_ = std::move(gone);
      return;
    }
  }
  gone();
}

void Outbox::when_late(std::chrono::steady_clock::time_point at, std::function<void()> late) {
  const std::lock_guard lock(mutex_);
  if (gone_ || begun_) return;
  late_at_ = at;
  when_late_ = std::move(late);
}

void Outbox::tell_late(std::chrono::steady_clock::time_point now) {
  std::function<void()> late;
  {
    const std::lock_guard lock(mutex_);
    if (begun_ || !when_late_ || now < late_at_) return;
    late = std::exchange(when_late_, {});
  }
  late();
}

Outbox::News Outbox::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void Outbox::taken(size_t bytes) {
  const std::lock_guard lock(mutex_);
  waiting_ -= static_cast<int64_t>(bytes);
}

void Outbox::leave() {
  std::function<void()> gone;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(gone_, true)) return;
    gone = std::exchange(when_gone_, {});
    when_late_ = {};
    news_ = {};
  }
  if (gone) gone();
}

void Outbox::close() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  when_gone_ = {}, when_late_ = {};
  news_ = {};
}

}  // namespace gemma::serve
