// SPDX-License-Identifier: Apache-2.0
// The loops of roof.h for any vector type. A multiplying type has
//
//   Acc, W               sums, and vectors of either operand
//   kWeights, kInputs    operands whose sums fit the registers
//   kBytes, kOps         bytes of a W; operations of one `step`
//   zero, load, input    input: a W that repeats the first values at an address
//   step, store          sum + products of w and x
//
// and a reading one Sum, kBytes, kPrefetch, zero, add(sum, address), total(sum).
#pragma once

#include "cpu/kernels/packed.h"
#include "cpu/kernels/roof.h"

namespace gemma::cpu {

template <class V>
struct RoofProduct {
  static constexpr int64_t kStretch = int64_t{V::kWeights} * V::kBytes;

  static_assert(64 * V::kWeights * V::kInputs <= kRoofOut);

  static void run(const std::byte* block, int64_t rounds, std::byte* out) {
    typename V::Acc sums[V::kWeights][V::kInputs];
#pragma GCC unroll 8
    for (int i = 0; i < V::kWeights; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < V::kInputs; ++j) sums[i][j] = V::zero();
    }
    for (int64_t round = 0; round < rounds; ++round) {
      for (int64_t at = 0; at + kStretch <= kRoofBlock; at += kStretch) {
        typename V::W w[V::kWeights];
#pragma GCC unroll 8
        for (int i = 0; i < V::kWeights; ++i) w[i] = V::load(block + at + i * V::kBytes);
#pragma GCC unroll 8
        for (int j = 0; j < V::kInputs; ++j) {
          const auto x = V::input(block + at + 4 * j);
#pragma GCC unroll 8
          for (int i = 0; i < V::kWeights; ++i) sums[i][j] = V::step(sums[i][j], w[i], x);
        }
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < V::kWeights; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < V::kInputs; ++j) V::store(out + 64 * (i * V::kInputs + j), sums[i][j]);
    }
  }

  static constexpr double ops() {
    return static_cast<double>(kRoofBlock / kStretch) * V::kWeights * V::kInputs * V::kOps;
  }
};

template <class V>
uint64_t roof_read(const std::byte* data, int64_t bytes) {
  constexpr int kSums = static_cast<int>(kReadStretch / V::kBytes);
  typename V::Sum sums[kSums];
#pragma GCC unroll 32
  for (int i = 0; i < kSums; ++i) sums[i] = V::zero();
  for (int64_t at = 0; at + kReadStretch <= bytes; at += kReadStretch) {
#pragma GCC unroll 32
    for (int i = 0; i < kSums; ++i) {
      if (i * V::kBytes % 64 == 0) prefetch_ahead<V::kPrefetch>(data + at + i * V::kBytes);
      sums[i] = V::add(sums[i], data + at + i * V::kBytes);
    }
  }
  uint64_t total = 0;
#pragma GCC unroll 32
  for (int i = 0; i < kSums; ++i) total += V::total(sums[i]);
  return total;
}

template <class Read, class F32, class Bf16Dot, class Int8, class Int4 = Int8>
RoofKernels roof_kernels(const char* name) {
  return {name,
          roof_read<Read>,
          {RoofProduct<F32>::run, RoofProduct<F32>::ops()},
          {RoofProduct<Bf16Dot>::run, RoofProduct<Bf16Dot>::ops()},
          {RoofProduct<Int8>::run, RoofProduct<Int8>::ops()},
          {RoofProduct<Int4>::run, RoofProduct<Int4>::ops()}};
}

}  // namespace gemma::cpu
