// SPDX-License-Identifier: Apache-2.0
#include "gemma4/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/clock.h"
#include "base/memory.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr int64_t kDrawEveryMs = 100;

std::string time_left(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s left", s);
  if (s < 3600) return fmt::format("{} min {:02} s left", s / 60, s % 60);
  return fmt::format("{} h {:02} min left", s / 3600, s / 60 % 60);
}

}  // namespace

Progress::Progress(std::string what, int64_t total, Unit unit)
    : what_(std::move(what)), total_(total), unit_(unit), shown_(is_terminal(STDERR_FILENO)) {}

Progress::~Progress() { finish(); }

void Progress::add(int64_t amount) {
  const int64_t done = done_.fetch_add(amount, std::memory_order_relaxed) + amount;
  if (!shown_) return;
  const int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_).count();
  int64_t next = next_draw_ms_.load(std::memory_order_relaxed);
  // One thread wins the right to draw; the others go on working.
  if (now < next || !next_draw_ms_.compare_exchange_strong(next, now + kDrawEveryMs)) return;
  drawn_.store(true);
  draw(done);
}

void Progress::draw(int64_t done) const {
  const double seconds = seconds_since(start_);
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-3);
  const double share = total_ > 0 ? std::min(1.0, static_cast<double>(done) / static_cast<double>(total_)) : 0;
  const auto amount = [&](int64_t n) {
    if (unit_ == Unit::seconds) return fmt::format("{}:{:02}", n / 60, n % 60);
    return unit_ == Unit::bytes ? format_bytes(n) : fmt::format("{}", n);
  };
  std::string line = fmt::format("{}  {:3.0f} %  {} of {}", what_, share * 100, amount(done), amount(total_));
  line += unit_ == Unit::bytes     ? fmt::format("  {}/s", format_bytes(static_cast<int64_t>(rate)))
          : unit_ == Unit::seconds ? fmt::format("  {:.1f} times as fast", rate)
                                   : fmt::format("  {:.1f}/s", rate);
  if (rate > 0 && done < total_) line += "  " + time_left(static_cast<double>(total_ - done) / rate);
  fmt::print(stderr, "\r\x1b[K{}", cut_to_width(line, terminal_width() - 1));
  std::fflush(stderr);
}

void Progress::finish() {
  if (drawn_.exchange(false)) {
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
  }
}

}  // namespace gemma::app
