// SPDX-License-Identifier: Apache-2.0
// The one thread that steps all engines, in turns, and runs what others hand to it between steps: exchanges live there.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "base/channel.h"
#include "base/clock.h"
#include "engine/engine.h"

namespace gemma::serve {

/** Keys and values of all engines: in memory, and kept for the next start. */
struct CacheBytes {
  int64_t held = 0, on_disk = 0;
};

class EngineThread {
 public:
  EngineThread() : thread_([this] { run(); }) {}
  ~EngineThread() { stop(); }
  /** What was posted is done; requests on their way are not finished. Not on the thread itself. */
  void stop();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  /** Steps this one, too, from here on. Requests come to it on this thread alone: it is how the thread hears of them.
   */
  void add(Engine& engine) {
    post([this, &engine] { engines_.push_back(&engine); });
  }
  /** It is not stepped any more when this returns. On the thread itself: not within its step. */
  void remove(Engine& engine);

  /** Any thread. */
  void post(std::function<void()> work) { tasks_.push(std::move(work)); }
  /** Returns when it has been done, or when nothing is done here any more. On the thread itself: at once, for who holds
   *  a model last may be a task. */
  void run_now(std::function<void()> work);

  // Of the thread.
  /** What all engines have counted, those that are gone included. */
  EngineStats stats() const;
  CacheBytes cache_bytes() const;

 private:
  void run();
  /** Waits for news; when there are none for a while, what is remembered is written to disk. */
  void rest();

  Channel<std::function<void()>> tasks_;
  std::vector<Engine*> engines_;             // both: of the thread
  EngineStats gone_stats_;                   // of those that are not there any more
  Clock::time_point worked_ = Clock::now();  // when there was something to do last
  std::atomic<bool> stopped_{false}, gone_{false};
  std::atomic<std::thread::id> id_{};
  std::thread thread_;
};

}  // namespace gemma::serve
