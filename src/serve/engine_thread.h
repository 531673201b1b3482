// SPDX-License-Identifier: Apache-2.0
// The one thread that steps all engines, in turns, and runs what others hand to it between steps: exchanges live there.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/channel.h"
#include "base/clock.h"
#include "engine/engine.h"

namespace gemma::serve {

class EngineThread {
 public:
  EngineThread() : thread_([this] { run(); }) {}
  ~EngineThread() { stop(); }
  /** What was posted is done; requests on their way are not finished. Not on the thread itself. */
  void stop() {
    if (!thread_.joinable()) return;
    stopped_.store(true);
    tasks_.wake();
    thread_.join();
    gone_.store(true);
    tasks_.take();
  }
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  /** Steps this one, too, from here on. Requests come to it on this thread alone: it is how the thread hears of them.
   */
  void add(Engine& engine) {
    post([this, &engine] { engines_.push_back(&engine); });
  }
  /** It is not stepped any more when this returns. Not on the thread itself. */
  void remove(Engine& engine) {
    run_now([this, &engine] { std::erase(engines_, &engine); });
  }

  /** Any thread. */
  void post(std::function<void()> work) { tasks_.push(std::move(work)); }
  /** Returns when it has been done, or when nothing is done here any more. Not on the thread itself. */
  void run_now(std::function<void()> work) {
    auto done = std::make_shared<std::promise<void>>();  // broken when the task is dropped, which is an end, too
    auto over = done->get_future();
    post([work = std::move(work), done = std::move(done)] {
      work();
      done->set_value();
    });
    if (!gone_.load()) over.wait();
  }

 private:
  void run() {
    while (true) {
      for (const std::function<void()>& task : tasks_.take()) task();
      if (stopped_.load()) return;
      bool busy = false;
      for (Engine* engine : engines_) busy |= engine->step() || engine->busy();
      if (busy) {
        worked_ = Clock::now();
      } else {
        rest();
      }
    }
  }

  /** Waits for news; when there are none for a while, what is remembered is written to disk. */
  void rest() {
    if (std::none_of(engines_.begin(), engines_.end(), [](const Engine* engine) { return engine->unsaved(); })) {
      return tasks_.wait();
    }
    if (tasks_.wait(kIdle - std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - worked_))) return;
    for (Engine* engine : engines_) {
      if (engine->unsaved()) engine->save([this] { return tasks_.pending(); });
    }
  }

  static constexpr std::chrono::milliseconds kIdle{5000};  // before what is remembered is written to disk

  Channel<std::function<void()>> tasks_;
  std::vector<Engine*> engines_;             // of the thread
  Clock::time_point worked_ = Clock::now();  // when there was something to do last
  std::atomic<bool> stopped_{false}, gone_{false};
  std::thread thread_;
};

}  // namespace gemma::serve
