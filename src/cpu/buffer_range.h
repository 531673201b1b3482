// SPDX-License-Identifier: Apache-2.0
// Large temporaries, cut from one range of addresses: at the lowest place that is free and long enough, neighbours that
// are free becoming one. So buffers of all sizes use the same memory again, and the range grows to little more than
// what is alive at once. A mapping for each made the system clear pages for a fifth of a prompt's time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gemma::cpu {

class BufferRange {
 public:
  /** `limit`: how long the range may become, in bytes. */
  explicit BufferRange(int64_t limit);
  BufferRange(const BufferRange&) = delete;
  BufferRange& operator=(const BufferRange&) = delete;
  ~BufferRange();

  /** Whole cache lines, not cleared; null where the range is full or could not be had. */
  std::byte* take(int64_t bytes);
  /** What take(bytes) gave. */
  void give_back(std::byte* data, int64_t bytes);
  bool holds(const std::byte* data) const;

  /** What lies above all that was in use since the last call goes back to the system. */
  void trim();
  /** The end of what has been used and not been trimmed since. */
  int64_t held_bytes() const { return held_; }

 private:
  struct Gap {
    int64_t begin, end;
  };
  std::byte* data_ = nullptr;
  int64_t limit_;
  std::vector<Gap> gaps_;  // rising, no two touch; the last one reaches to limit_ unless all is taken
  int64_t held_ = 0;       // pages above were never written, or went back
  int64_t recent_ = 0;     // the highest end of a buffer since the last trim()
  int64_t top() const;     // the end of the last buffer alive
};

}  // namespace gemma::cpu
