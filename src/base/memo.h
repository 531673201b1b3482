// SPDX-License-Identifier: Apache-2.0
// Results that are kept by what they were made from, the latest used, within a number and a size. Any number of
// threads: those who want the same at once wait for the one that makes it, different ones are made at the same time.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/error.h"

namespace gemma {

template <class Value>
class Memo {
 public:
  using Made = Result<std::shared_ptr<const Value>>;

  Memo(size_t most, size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

  /** What was made of `key`, or what `make()` returns; a failure is not kept. `bytes(value)`: what keeping it takes. */
  template <class Make, class Bytes>
  Made get(const std::string& key, const Make& make, const Bytes& bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !making_.contains(key); });
    const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Entry& each) { return each.key == key; });
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return kept_.front().value;
    }
    const Turn turn(*this, lock, key);
    lock.unlock();
    Made made = make();
    lock.lock();
    if (made.ok()) keep({key, made.value(), bytes(*made.value())});
    return made;
  }

  size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Value> value;
    size_t bytes;
  };

  /** While it lives, others wait. Begins and ends under the lock. */
  class Turn {
   public:
    Turn(Memo& memo, std::unique_lock<std::mutex>& lock, const std::string& key) : memo_(memo), lock_(lock), key_(key) {
      memo_.making_.insert(key_);
    }
    ~Turn() {
      if (!lock_.owns_lock()) lock_.lock();
      memo_.making_.erase(key_);
      memo_.changed_.notify_all();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Memo& memo_;
    std::unique_lock<std::mutex>& lock_;
    const std::string& key_;
  };

  void keep(Entry entry) {
    bytes_ += entry.bytes;
    kept_.push_front(std::move(entry));
    while (kept_.size() > most_ || bytes_ > most_bytes_) {
      bytes_ -= kept_.back().bytes;
      kept_.pop_back();
    }
  }

  const size_t most_, most_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> making_;
  std::list<Entry> kept_;  // latest first
  size_t bytes_ = 0;
};

}  // namespace gemma
