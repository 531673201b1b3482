// SPDX-License-Identifier: Apache-2.0
// A responder that tells how its answer went, once: the status, when it is out or the client has left.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "serve/http/message.h"

namespace gemma::serve {

class Observed final : public Responder {
 public:
  /** `over` gets the status; 499 where the client left first. `added` stands in every head. */
  Observed(std::shared_ptr<Responder> inner, Headers added, std::function<void(int)> over)
      : inner_(std::move(inner)), added_(std::move(added)), over_(std::move(over)) {}
  ~Observed() override { end_with(499); }

  void respond(HttpResponse response) override {
    const int status = response.status;
    response.headers.insert(response.headers.end(), added_.begin(), added_.end());
    inner_->respond(std::move(response));
    end_with(status);
  }
  void begin(HttpResponse head) override {
    status_ = head.status;
    head.headers.insert(head.headers.end(), added_.begin(), added_.end());
    inner_->begin(std::move(head));
  }
  void write(std::string piece) override { inner_->write(std::move(piece)); }
  void end() override {
    inner_->end();
    end_with(status_);
  }
  void when_gone(std::function<void()> gone) override { inner_->when_gone(std::move(gone)); }
  void when_late(std::chrono::steady_clock::time_point at, std::function<void()> late) override {
    inner_->when_late(at, std::move(late));
  }

 private:
  void end_with(int status) {
    std::function<void(int)> over;
    {
      const std::lock_guard lock(mutex_);
      over = std::exchange(over_, {});
    }
    if (over) over(status);
  }

  std::shared_ptr<Responder> inner_;
  const Headers added_;
  std::mutex mutex_;
  std::function<void(int)> over_;
  int status_ = 200;
};

}  // namespace gemma::serve
