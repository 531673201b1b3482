// SPDX-License-Identifier: Apache-2.0
// What a process's memory is made of when it holds most: the system keeps the most of own and file pages together
// alone.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/memory.h"

namespace gemma {

/** Looks every few milliseconds, on a thread of its own, until it is stopped. */
class PeakWatch {
 public:
  PeakWatch() : thread_([this] { look(); }) {}
  ~PeakWatch() { stop(); }
  PeakWatch(const PeakWatch&) = delete;
  PeakWatch& operator=(const PeakWatch&) = delete;
  /** Own and file pages when their sum was largest; `peak` as the system has it. */
  ProcessMemory stop();

 private:
  void look();
  void note();

  ProcessMemory most_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace gemma
