// SPDX-License-Identifier: Apache-2.0
// LineWriter: lines for a pipe, a terminal or a file that may take them late or never, written by a thread of its own,
// so that nobody waits for who reads them. What has no room while it waits is lost; a line says how much, where it is
// missing.
//
//   LineWriter log(STDERR_FILENO, 256 << 10);
//   log.add("a line");
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace gemma {

class LineWriter {
 public:
  /** file: a descriptor that stays open as long as the process lives; most: bytes that may wait. */
  LineWriter(int file, int64_t most) : LineWriter(file, most, say_missing) {}
  /** say: the line that says how many are missing. */
  LineWriter(int file, int64_t most, std::function<std::string(int64_t lines)> say);
  /** What waits is written, if that takes no longer than a second. */
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /** A line without its end. Any thread. */
  void add(std::string line);
  /** Lines that had no room, or that the file did not take. Any thread. */
  int64_t lost() const;
  static std::string say_missing(int64_t lines);

 private:
  struct State;
  /** Shared with the thread, which may be left behind in a write that never ends. */
  std::shared_ptr<State> state_;
};

}  // namespace gemma
