// SPDX-License-Identifier: Apache-2.0
// The one thread that steps an engine, and runs what others hand to it between steps: exchanges live there.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/channel.h"
#include "engine/engine.h"

namespace gemma::serve {

class EngineThread {
 public:
  explicit EngineThread(Engine& engine) : engine_(engine), thread_([this] { run(); }) {}
  /** What was posted is done; requests on their way are not finished. */
  ~EngineThread() {
    stopped_.store(true);
    engine_.wake();
    thread_.join();
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
      if (!engine_.step()) engine_.wait();
    }
  }

  Engine& engine_;
  Channel<std::function<void()>> tasks_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace gemma::serve
