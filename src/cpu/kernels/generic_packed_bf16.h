// SPDX-License-Identifier: Apache-2.0
// Products of packed bf16 weights (packed.h) with activations in bf16, once for all instruction sets: the vector type V
// of generic_packed.h with
//   dot_pairs                  F + w0 * x0 + w1 * x1, for each of kLanes rows, by the machine's own instruction or in
//   f32 kPartsBf16<rows>           vectors of rows that go together
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/packed.h"

namespace gemma::cpu {

template <class V>
class PackedProductBf16 {
  using F = typename V::F;
  static constexpr int kVectors = kPanelRows / V::kLanes;

  template <int kRows, int kParts>
  static void rows_of_panel(const std::byte* panel, int64_t pairs, const uint16_t* x, bool prefetch, float* y,
                            int64_t y_stride) {
    F sums[kParts][kRows];
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) sums[p][r] = V::zero();
    }
    for (int64_t i = 0; i < pairs; ++i, panel += kPanelRows * 4, x += 2 * kRows) {
      if (prefetch) {
        prefetch_ahead(panel);
        prefetch_ahead(panel + 64);
      }
#pragma GCC unroll 4
      for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) sums[p][r] = V::dot_pairs(sums[p][r], panel + p * V::kLanes * 4, x + 2 * r);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) V::store(y + r * y_stride + p * V::kLanes, sums[p][r]);
    }
  }

  template <int kRows>
  static void whole_panel(const std::byte* panel, int64_t pairs, const uint16_t* x, bool prefetch, float* y,
                          int64_t y_stride) {
    // Sums of as many vectors of rows as fit the registers.
    constexpr int kParts = V::kLanes == 16 ? 2 : kRows <= 3 ? kVectors : kRows <= 6 ? 2 : 1;
    for (int first = 0; first < kPanelRows; first += kParts * V::kLanes) {
      rows_of_panel<kRows, kParts>(panel + first * 4, pairs, x, prefetch, y + first, y_stride);
    }
  }

  template <int... rows>
  static void choose(std::integer_sequence<int, rows...>, int64_t x_rows, const std::byte* panel, int64_t pairs,
                     const uint16_t* x, bool prefetch, float* y, int64_t y_stride) {
    ((x_rows == rows + 1 ? whole_panel<rows + 1>(panel, pairs, x, prefetch, y, y_stride) : void()), ...);
  }

 public:
  /** Kernels::packed_product_bf16. */
  static void run(const std::byte* panel, int64_t pairs, const uint16_t* x, int64_t x_rows, bool prefetch, float* y,
                  int64_t y_stride) {
    choose(std::make_integer_sequence<int, kTileRows>(), x_rows, panel, pairs, x, prefetch, y, y_stride);
  }
};

}  // namespace gemma::cpu
