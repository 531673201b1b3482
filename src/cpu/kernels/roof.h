// SPDX-License-Identifier: Apache-2.0
// What a machine can do at most: loops that read memory, or multiply numbers which lie in the nearest cache, and do
// nothing else. A product can be as fast as these and no faster (cpu/roofs.h measures them).
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma::cpu {

inline constexpr int64_t kRoofBlock = 8192;   // bytes that a multiplying loop goes over again and again
inline constexpr int64_t kRoofOut = 2048;     // and of the sums that it leaves: 64 for each, so that all are made
inline constexpr int64_t kReadStretch = 512;  // what is read is a multiple of this

struct RoofKernels {
  const char* name = "";
  /** A sum over `bytes` bytes, with the prefetches of the products. */
  uint64_t (*read)(const std::byte* data, int64_t bytes) = nullptr;

  /** Goes `rounds` times over a block and leaves its sums at `out`. `ops`: of a round; a multiplication
   *  and an addition are two. */
  struct Multiply {
    void (*run)(const std::byte* block, int64_t rounds, std::byte* out) = nullptr;
    double ops = 0;
  };
  Multiply f32, bf16, int8, int4;  // int4: codes of four bits by bytes
};

}  // namespace gemma::cpu
