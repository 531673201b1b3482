// SPDX-License-Identifier: Apache-2.0
// A value that several threads share: whoever uses it has it alone.
//
//   Guarded<std::map<int, Mask>> kept;
//   kept.with([&](auto& masks) { masks[3] = mask; });
#pragma once

#include <mutex>
#include <utility>

namespace gemma {

template <class T>
class Guarded {
 public:
  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  /** What fn returns must not refer to the value. */
  template <class Fn>
  auto with(Fn&& fn) {
    const std::lock_guard lock(mutex_);
    return std::forward<Fn>(fn)(value_);
  }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace gemma
