// SPDX-License-Identifier: Apache-2.0
// The roofs of this machine, measured: how fast all threads together read memory and multiply.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace gemma::cpu {

struct Roofs {
  double bytes_per_second = 0;  // read from memory, by the instruction set in use
  int64_t read_bytes = 0;       // of the block that was read: larger than any cache
  struct Operations {
    std::string isa;
    double f32 = 0, bf16 = 0, int8 = 0, int4 = 0;  // operations per second; int4: codes of 4 bits by bytes
  };
  std::vector<Operations> operations;  // of the instruction set in use, then of the others that the machine has

  bool measured() const { return !operations.empty(); }
};

/** Whether a weight's codes are met as four bits, which the roof int4 is of; other blocks are of int8's. */
bool multiplied_as_int4(DType type);

inline constexpr int64_t kReadBlock = int64_t{2} << 30;

/** About two seconds. `read_block`: bytes to read, at most a quarter of the memory that is available. */
Roofs measure_roofs(ThreadPool& threads, int64_t read_block = kReadBlock);

}  // namespace gemma::cpu
