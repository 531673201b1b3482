// SPDX-License-Identifier: Apache-2.0
// Products of packed weights of 16-bit floats (packed.h), once for all instruction sets: bf16 with activations in bf16,
// f16 with activations in f32. The vector type V is that of generic_packed.h, and has for bf16
//   dot_pairs                  F + w0 * x0 + w1 * x1, for each of kLanes rows, by the machine's own instruction or in
//                              f32
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/packed.h"

namespace gemma::cpu {

/** What a panel holds of a row at a place along k, and how it meets activations. */
template <class V>
struct Bf16Pairs {
  using Activation = uint16_t;
  static constexpr int kBytes = 4, kValues = 2;
  static typename V::F add(typename V::F sum, const std::byte* w, const uint16_t* x) { return V::dot_pairs(sum, w, x); }
};
template <class V>
struct F16Values {
  using Activation = float;
  static constexpr int kBytes = 2, kValues = 1;
  static typename V::F add(typename V::F sum, const std::byte* w, const float* x) {
    return V::fma(V::halves(w), V::set(*x), sum);
  }
};

template <class V, template <class> class Weights>
class PackedProductPlain {
  using F = typename V::F;
  using W = Weights<V>;
  using X = typename W::Activation;
  static constexpr int kVectors = kPanelRows / V::kLanes;

  // Of a panel in memory so many places are gone over part by part before the next ones, which each part meanwhile
  // fetches its share of: then they lie in the first cache, and memory does not rest.
  static constexpr int kPlaceBytes = kPanelRows * W::kBytes, kPlaces = 4096 / kPlaceBytes;

  /** What comes behind a place; where a panel is gone over in parts, the share of one of them. */
  template <int kParts>
  [[gnu::always_inline]] static void prefetch_weights(const std::byte* place, int64_t i, int part) {
    constexpr int kPasses = kVectors / kParts;
#pragma GCC unroll 2
    for (int line = 0; line < kPlaceBytes; line += 64) {
      if constexpr (kPasses == 1) {
        prefetch_ahead<V::kPrefetch>(place + line);
      } else if (i % kPasses == part) {
        __builtin_prefetch(place + kPlaces * kPlaceBytes + line);
      }
    }
  }

  /** `more`: sums go on from y. */
  template <int kRows, int kParts>
  static void rows_of_panel(const std::byte* panel, int first, int64_t places, const X* x, bool more, bool prefetch,
                            float* y, int64_t y_stride) {
    F sums[kParts][kRows];
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r)
        sums[p][r] = more ? V::floats(y + r * y_stride + first + p * V::kLanes) : V::zero();
    }
    const int part = first / (kParts * V::kLanes);
    for (int64_t i = 0; i < places; ++i, panel += kPlaceBytes, x += W::kValues * kRows) {
      if (prefetch) prefetch_weights<kParts>(panel, i, part);
      const auto add = [&](int p, int r) {
        sums[p][r] = W::add(sums[p][r], panel + (first + p * V::kLanes) * W::kBytes, x + W::kValues * r);
      };
      // In the order that wants fewer registers: an activation at a time where both vectors of weights stay in them.
      if constexpr (V::kLanes == 16) {
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
          for (int p = 0; p < kParts; ++p) add(p, r);
        }
      } else {
#pragma GCC unroll 4
        for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
          for (int r = 0; r < kRows; ++r) add(p, r);
        }
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) V::store(y + r * y_stride + first + p * V::kLanes, sums[p][r]);
    }
  }

  template <int kRows>
  static void whole_panel(const std::byte* panel, int64_t places, const X* x, bool prefetch, float* y,
                          int64_t y_stride) {
    // Sums of as many vectors of rows as fit the registers.
    constexpr int kParts = V::kLanes == 16 ? 2 : kRows <= 3 ? kVectors : kRows <= 6 ? 2 : 1;
    const int64_t step = prefetch && kParts < kVectors ? kPlaces : places;
    for (int64_t begin = 0; begin < places; begin += step, panel += step * kPlaceBytes) {
      const int64_t count = places - begin < step ? places - begin : step;
      for (int first = 0; first < kPanelRows; first += kParts * V::kLanes) {
        rows_of_panel<kRows, kParts>(panel, first, count, x + begin * W::kValues * kRows, begin > 0, prefetch, y,
                                     y_stride);
      }
    }
  }

  template <int... rows>
  static void choose(std::integer_sequence<int, rows...>, int64_t x_rows, const std::byte* panel, int64_t places,
                     const X* x, bool prefetch, float* y, int64_t y_stride) {
    ((x_rows == rows + 1 ? whole_panel<rows + 1>(panel, places, x, prefetch, y, y_stride) : void()), ...);
  }

 public:
  /** Kernels::packed_product_bf16, Kernels::packed_product_f16. */
  static void run(const std::byte* panel, int64_t places, const X* x, int64_t x_rows, bool prefetch, float* y,
                  int64_t y_stride) {
    choose(std::make_integer_sequence<int, kTileRows>(), x_rows, panel, places, x, prefetch, y, y_stride);
  }
};

template <class V>
void fill_plain_packed(Kernels& table) {
  table.packed_product_bf16 = PackedProductPlain<V, Bf16Pairs>::run;
  table.packed_product_f16 = PackedProductPlain<V, F16Values>::run;
}

}  // namespace gemma::cpu
