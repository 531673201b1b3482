// SPDX-License-Identifier: Apache-2.0
// The one thread that steps an engine, and runs what others hand to it between steps: exchanges live there.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "base/channel.h"
#include "base/clock.h"
#include "engine/engine.h"

namespace gemma::serve {

class EngineThread {
 public:
  explicit EngineThread(Engine& engine) : engine_(engine), thread_([this] { run(); }) {}
  ~EngineThread() { stop(); }
  /** What was posted is done; requests on their way are not finished. Not on the thread itself. */
  void stop() {
    if (!thread_.joinable()) return;
    stopped_.store(true);
    engine_.wake();
    tasks_.wake();
    thread_.join();
    tasks_.take();
  }
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  /** Any thread. */
  void post(std::function<void()> work) {
    tasks_.push(std::move(work));
    engine_.wake();
  }

 private:
  void run() {
    while (true) {
      for (const std::function<void()>& task : tasks_.take()) task();
      if (stopped_.load()) return;
      if (engine_.step()) {
        worked_ = Clock::now();
      } else if (!engine_.unsaved()) {
        engine_.wait();
      } else if (!tasks_.wait(kIdle - std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - worked_))) {
        engine_.save([this] { return tasks_.pending(); });
      }
    }
  }

  static constexpr std::chrono::milliseconds kIdle{5000};  // before what is remembered is written to disk

  Engine& engine_;
  Clock::time_point worked_ = Clock::now();  // when there was something to do last
  Channel<std::function<void()>> tasks_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace gemma::serve
