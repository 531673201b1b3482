// SPDX-License-Identifier: Apache-2.0
// Channel: things that any thread hands to one thread. It has no bound of its own; whoever pushes decides what is too
// much. A wake-up without anything is kept until the next wait(), so none is lost.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace gemma {

template <class T>
class Channel {
 public:
  void push(T value) {
    {
      const std::lock_guard lock(mutex_);
      values_.push_back(std::move(value));
      filled_.store(true);
    }
    ready_.notify_one();
  }

  /** Everything pushed since the last call, in order; empty when there is nothing, which takes no lock. */
  std::vector<T> take() {
    if (!filled_.load()) return {};
    const std::lock_guard lock(mutex_);
    filled_.store(false);
    return std::exchange(values_, {});
  }

  /** Blocks until there is something to take, or wake() was called since the last wait(). */
  void wait() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return woken_ || !values_.empty(); });
    woken_ = false;
  }

  /** The same, for `most` at the longest; false when there was nothing. */
  bool wait(std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    const bool there = ready_.wait_for(lock, most, [this] { return woken_ || !values_.empty(); });
    woken_ = false;
    return there;
  }

  /** Whether wait() would return at once. */
  bool pending() {
    const std::lock_guard lock(mutex_);
    return woken_ || !values_.empty();
  }

  void wake() {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    ready_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<T> values_;
  std::atomic<bool> filled_{false};  // whether there are values; changes under the lock
  bool woken_ = false;
};

}  // namespace gemma
