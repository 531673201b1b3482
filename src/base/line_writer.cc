// SPDX-License-Identifier: Apache-2.0
#include "base/line_writer.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace gemma {
namespace {

constexpr std::chrono::seconds kPatience{1};  // at the end

/** Waits until all of it is taken; false: it is not, for a reason that lasts. */
bool write_whole(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {  // whoever shares the descriptor has made it so
      pollfd room{file, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (n == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct LineWriter::State {
  struct Line {
    std::string text;
    int64_t lost_before;  // lines that had no room since the one before
  };

  const int file;
  const int64_t most;
  const std::function<std::string(int64_t)> say;
  std::thread thread = {};
  mutable std::mutex mutex = {};
  std::condition_variable changed = {};
  std::deque<Line> lines = {};
  int64_t waiting = 0;  // bytes of them
  int64_t lost = 0;     // all in all
  int64_t missing = 0;  // of these, those behind the last line
  bool ends = false, gives_up = false, ended = false;

  void run();
  bool write(const std::string& text, int64_t lost_before) const;
};

std::string LineWriter::say_missing(int64_t lines) {
  return fmt::format("gemma4: {} missing here, since nobody took {}",
                     lines == 1 ? "a line is" : fmt::format("{} lines are", lines), lines == 1 ? "it" : "them");
}

LineWriter::LineWriter(int file, int64_t most, std::function<std::string(int64_t lines)> say)
    : state_(new State{.file = file, .most = most, .say = std::move(say)}) {
  state_->thread = std::thread([state = state_] { state->run(); });
}

LineWriter::~LineWriter() {
  std::unique_lock lock(state_->mutex);
  state_->ends = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, kPatience, [this] { return state_->ended; });
  state_->gives_up = true;
  if (state_->ended) {
    lock.unlock();
    state_->thread.join();
  } else {
    state_->thread.detach();
  }
}

void LineWriter::add(std::string line) {
  line += '\n';
  const std::lock_guard lock(state_->mutex);
  if (state_->waiting + std::ssize(line) > state_->most) {
    ++state_->lost;
    ++state_->missing;
    return;
  }
  state_->waiting += std::ssize(line);
  state_->lines.push_back({std::move(line), std::exchange(state_->missing, 0)});
  state_->changed.notify_all();
}

int64_t LineWriter::lost() const {
  const std::lock_guard lock(state_->mutex);
  return state_->lost;
}

/** What is said of lost lines goes out with the line behind them, or is lost with it. */
bool LineWriter::State::write(const std::string& text, int64_t lost_before) const {
  if (lost_before == 0) return write_whole(file, text);
  return write_whole(file, fmt::format("{}\n{}", say(lost_before), text));
}

void LineWriter::State::run() {
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);  // a reader that has gone is no reason to end
  int64_t unsaid = 0;                                 // lines that the file has not taken
  std::unique_lock lock(mutex);
  while (!gives_up) {
    changed.wait(lock, [this] { return ends || !lines.empty(); });
    if (lines.empty()) break;
    const Line& line = lines.front();  // stays where it is while others are added
    lock.unlock();
    const bool written = write(line.text, line.lost_before + unsaid);
    lock.lock();
    unsaid = written ? 0 : unsaid + line.lost_before + 1;
    lost += written ? 0 : 1;
    waiting -= std::ssize(line.text);
    lines.pop_front();
  }
  const int64_t at_end = gives_up ? 0 : missing + unsaid;
  lock.unlock();
  if (at_end > 0) write("", at_end);
  lock.lock();
  ended = true;
  changed.notify_all();
}

}  // namespace gemma
