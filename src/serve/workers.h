// SPDX-License-Identifier: Apache-2.0
// Threads for what may take a while and is not the engine's, and a queue of it: reading JSON, decoding media, compiling
// grammars. Where work is somebody's, keys share the threads evenly.
#pragma once

#include <sys/resource.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/fair_queue.h"

namespace gemma::serve {

class Workers {
 public:
  /** niceness: above 0, other threads of the machine go first. */
  explicit Workers(int threads, int niceness = 0) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, niceness] {
        if (niceness > 0) setpriority(PRIO_PROCESS, 0, niceness);  // on Linux of this thread alone
        run();
      });
    }
  }
  ~Workers() { stop(); }
  /** What has not begun is not done any more. */
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    waiting_ = {};  // it may hold who owns these threads
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /** key: whose work it is, where that matters (fair_queue.h). */
  void post(std::function<void()> work, const std::string& key = "") {
    {
      const std::lock_guard lock(mutex_);
      waiting_.add(key, std::move(work));
    }
    ready_.notify_one();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ready_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
      if (stopped_) return;
      auto [key, work] = *waiting_.take();
      lock.unlock();
      work();
      work = nullptr;  // what it holds goes before the lock is taken
      lock.lock();
      waiting_.done(key);
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  FairQueue<std::function<void()>> waiting_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gemma::serve
