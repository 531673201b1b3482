// SPDX-License-Identifier: Apache-2.0
// Tally: how many of each kind there are, counted from any thread, up to so many of a kind and so many of all.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

namespace gemma {

class Tally {
 public:
  /** One more of `kind`; false, and nothing is counted, when there are `most_of_kind` of it or `most` of all. */
  bool add(uint64_t kind, int most_of_kind, int most) {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(kind);
    if (all_ >= most || (found != counts_.end() ? found->second : 0) >= most_of_kind) return false;
    ++counts_[kind];
    ++all_;
    return true;
  }

  /** One more, however many there are. */
  void add(uint64_t kind) {
    const std::lock_guard lock(mutex_);
    ++counts_[kind];
    ++all_;
  }

  void remove(uint64_t kind) {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(kind);
    if (found == counts_.end()) return;
    if (--found->second == 0) counts_.erase(found);
    --all_;
  }

  int all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, int> counts_;  // of those there are
  int all_ = 0;
};

}  // namespace gemma
