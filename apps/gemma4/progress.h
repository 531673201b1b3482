// SPDX-License-Identifier: Apache-2.0
// A progress line on stderr with rate and time left; nothing at all where stderr is no terminal.
//
//   Progress progress("converting", total_bytes, Progress::Unit::bytes);
//   progress.add(n);      // from any thread
//   progress.finish();    // removes the line
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/clock.h"

namespace gemma::app {

class Progress {
 public:
  enum class Unit : uint8_t { bytes, items, seconds };  // seconds: of sound

  Progress(std::string what, int64_t total, Unit unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void add(int64_t amount);
  void finish();

 private:
  void draw(int64_t done) const;

  const std::string what_;
  const int64_t total_;
  const Unit unit_;
  const bool shown_;
  const Clock::time_point start_ = Clock::now();
  std::atomic<int64_t> done_{0};
  std::atomic<int64_t> next_draw_ms_{200};  // work that ends sooner shows no line
  std::atomic<bool> drawn_{false};
};

}  // namespace gemma::app
