// SPDX-License-Identifier: Apache-2.0
// Threads for what may take a while and is not the engine's, and a queue of it: reading JSON, decoding media, compiling
// grammars.
#pragma once

#include <sys/resource.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

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
    waiting_.clear();  // it may hold who owns these threads
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(work));
    }
    ready_.notify_one();
  }

 private:
  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
      if (stopped_) return;
      const std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      work();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> waiting_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gemma::serve
