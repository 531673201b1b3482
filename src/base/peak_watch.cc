// SPDX-License-Identifier: Apache-2.0
#include "base/peak_watch.h"

#include <chrono>

namespace gemma {

constexpr std::chrono::milliseconds kBetween{10};  // a look takes some 0.03

ProcessMemory PeakWatch::stop() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    stopped_.notify_one();
    thread_.join();
    note();
  }
  return most_;
}

void PeakWatch::look() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kBetween, [&] { return stop_; })) note();
}

void PeakWatch::note() {
  const ProcessMemory now = process_memory();
  if (now.own + now.file > most_.own + most_.file) most_ = now;
}

}  // namespace gemma
