// SPDX-License-Identifier: Apache-2.0
// Outbox: where an answer waits, piece by piece, for the connection to take it. Filled on any thread, emptied on that
// of the connections.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "serve/http/message.h"

namespace gemma::serve {

class Outbox final : public Responder {
 public:
  enum class Wake : uint8_t { news, overflow };
  /** `wake` is called on any thread: there is news, or more is waiting than may, and the client is to be dropped. Two
   *  of the largest pieces may wait beside `waiting_bytes`: one that is larger than these is no sign of a slow client.
   */
  Outbox(int64_t waiting_bytes, std::function<void(Wake)> wake) : limit_(waiting_bytes), wake_(std::move(wake)) {}

  void respond(HttpResponse response) override;
  void begin(HttpResponse head) override;
  void write(std::string piece) override;
  void end() override;
  void when_gone(std::function<void()> gone) override;
  void when_late(std::chrono::steady_clock::time_point at, std::function<void()> late) override;

  /** What has come since the last call. */
  struct News {
    std::optional<HttpResponse> head;  // with `whole`, all there is
    bool whole = false;
    std::string pieces;
    bool ended = false;
    bool any() const { return head || !pieces.empty() || ended; }
  };
  News take();
  /** What was taken is with the client now. */
  void taken(size_t bytes);
  /** Who wanted to know of this time, or of one before it, is told, where there is no answer yet. */
  void tell_late(std::chrono::steady_clock::time_point now);
  /** The client is gone; who answers is told. */
  void leave();
  /** The answer has arrived: nobody is told of anything any more. */
  void close();

 private:
  void count(int64_t bytes);

  const int64_t limit_;
  std::mutex mutex_;
  const std::function<void(Wake)> wake_;
  News news_;
  int64_t waiting_ = 0, largest_ = 0;
  bool begun_ = false, ended_ = false, gone_ = false;
  std::function<void()> when_gone_, when_late_;
  std::chrono::steady_clock::time_point late_at_;
};

}  // namespace gemma::serve
