// SPDX-License-Identifier: Apache-2.0
// Working memory of one thread that stays allocated between calls, aligned to 64 bytes, not cleared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/error.h"

namespace gemma::cpu {

class Scratch {
 public:
  float* floats(int64_t count) {
    if (count > capacity_) {
      capacity_ = (std::max(count, 2 * capacity_) + 15) / 16 * 16;
      memory_.reset();
      memory_.reset(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(capacity_) * sizeof(float))));
      if (memory_ == nullptr) fail("memory", "cannot allocate {} bytes", capacity_ * 4);
    }
    return memory_.get();
  }

  std::byte* bytes(int64_t count) { return reinterpret_cast<std::byte*>(floats((count + 3) / 4)); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> memory_;
  int64_t capacity_ = 0;
};

}  // namespace gemma::cpu
