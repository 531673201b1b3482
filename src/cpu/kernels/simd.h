// SPDX-License-Identifier: Apache-2.0
// The vector type that generic_*.h are written against. simd_avx2.h and simd_avx512.h each define a struct with the
// same static functions, so that an algorithm is written once and each kernel file instantiates it for its own type:
//
//   F, I                       a vector of kLanes floats, of kLanes 32-bit integers
//   kLanes                     lanes; also the number of partial sums of a product
//   kTileX, kTileW             activation rows x weight rows whose sums fit the registers
//   kSumRows, kSumCols         rows x vectors of a weighted sum that fit the registers
//   load, store                F from float or bf16; unaligned
//   load_first, store_first    only the first n lanes; the others read as zero
//   sum, max                   over lanes, in a fixed tree; store_sums<n>: n vectors summed at once by the same tree
//   shl, to_float              bits of I; I to F
//   times_power_of_two         x * 2^n for whole n, right also for denormal results
//
// All functions are static members of a type that only files of one instruction set see, so none can leak into others.
#pragma once

#include <cstdint>

namespace gemma::cpu {

/** A tag for 16-bit floats in memory. */
struct Bf16 {
  uint16_t bits;
};

}  // namespace gemma::cpu
