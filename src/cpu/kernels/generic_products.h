// SPDX-License-Identifier: Apache-2.0
// Products of weight rows with activation rows, for any vector type V (simd.h). Lanes run along k, so weights are used
// in the order in which files store them. A tile of kTileX x kTileW sums stays in registers; every sum takes the same
// steps whatever the size of its tile, and lanes are added by the one tree V::sums.
#pragma once

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/simd.h"

namespace gemma::cpu {

// Tiles of W rows that are asked for ahead of their use, a line at a time.
inline constexpr int64_t kTilesAhead = 8;

/** Columns begin .. end - 1 of X rows of activations with W rows of weights. Sums of a row that is not at its end yet
 * wait in `partial`, lane by lane, so that cutting a row changes no bit. */
template <class V, class T, int X, int W>
inline void product_tile(const std::byte* w, int64_t stride, const float* x, int64_t x_stride, int64_t begin,
                         int64_t end, int64_t n, float* partial, float* y, int64_t y_stride) {
  using F = typename V::F;
  F sum[X][W];
  const T* row[W];
  for (int c = 0; c < W; ++c) {
    row[c] = reinterpret_cast<const T*>(w + c * stride);
    for (int r = 0; r < X; ++r) sum[r][c] = begin == 0 ? V::zero() : V::load(partial + (r * W + c) * V::kLanes);
  }
  int64_t i = begin;
  constexpr int64_t kBytes = W * V::kLanes * int64_t{sizeof(T)};  // of weights in a step
  const std::byte* next = w + kTilesAhead * W * stride + begin * W * int64_t{sizeof(T)};
  for (; i + V::kLanes <= end; i += V::kLanes, next += kBytes) {
    for (int64_t line = 0; line < kBytes; line += 64) __builtin_prefetch(next + line);
    F weights[W];
    for (int c = 0; c < W; ++c) weights[c] = V::load(row[c] + i);
    for (int r = 0; r < X; ++r) {
      const F values = V::load(x + r * x_stride + i);
      for (int c = 0; c < W; ++c) sum[r][c] = V::fma(weights[c], values, sum[r][c]);
    }
  }
  if (i < end) {
    for (int r = 0; r < X; ++r) {
      const F values = V::load_first(x + r * x_stride + i, end - i);
      for (int c = 0; c < W; ++c) sum[r][c] = V::fma(V::load_first(row[c] + i, end - i), values, sum[r][c]);
    }
  }
  if (end == n) {
    for (int r = 0; r < X; ++r) V::template store_sums<W>(y + r * y_stride, sum[r]);
  } else {
    for (int r = 0; r < X; ++r) {
      for (int c = 0; c < W; ++c) V::store(partial + (r * W + c) * V::kLanes, sum[r][c]);
    }
  }
}

// Columns of a pass over a panel: X rows of activations stay in the first-level cache while weights stream past.
inline constexpr int64_t kPassColumns = 1024;
// Tiles of weight rows in a panel.
inline constexpr int kPanelTiles = 12;

/** X rows of activations with all rows of weights. */
template <class V, class T, int X>
void product_strip(const WeightRows& w, const float* x, int64_t x_stride, int64_t n, float* y, int64_t y_stride) {
  constexpr int kTile = X * V::kTileW * V::kLanes, kHeight = kPanelTiles * V::kTileW;
  alignas(64) float partial[kPanelTiles * kTile];
  const int64_t whole = w.rows / V::kTileW * V::kTileW;
  for (int64_t first = 0; first < whole; first += kHeight) {
    const int64_t last = first + kHeight < whole ? first + kHeight : whole;
    for (int64_t begin = 0; begin < n; begin += kPassColumns) {
      const int64_t end = begin + kPassColumns < n ? begin + kPassColumns : n;
      float* waiting = partial;
      for (int64_t c = first; c < last; c += V::kTileW, waiting += kTile) {
        product_tile<V, T, X, V::kTileW>(w.data + c * w.stride, w.stride, x, x_stride, begin, end, n, waiting, y + c,
                                         y_stride);
      }
    }
  }
  for (int64_t c = whole; c < w.rows; ++c) {
    product_tile<V, T, X, 1>(w.data + c * w.stride, w.stride, x, x_stride, 0, n, n, nullptr, y + c, y_stride);
  }
}

/** The strip of `rows` rows, 1..X. */
template <class V, class T, int X>
inline void product_rest(int64_t rows, const WeightRows& w, const float* x, int64_t x_stride, int64_t n, float* y,
                         int64_t y_stride) {
  if (rows == X) return product_strip<V, T, X>(w, x, x_stride, n, y, y_stride);
  if constexpr (X > 1) product_rest<V, T, X - 1>(rows, w, x, x_stride, n, y, y_stride);
}

template <class V, class T>
void product(const WeightRows& w, const float* x, int64_t x_stride, int64_t x_rows, int64_t n, float* y,
             int64_t y_stride) {
  const int64_t strips = (x_rows + V::kTileX - 1) / V::kTileX;
  for (int64_t s = 0; s < strips; ++s) {  // of nearly equal height: 8 rows are 4 + 4 and not 6 + 2
    const int64_t first = x_rows * s / strips, rows = x_rows * (s + 1) / strips - first;
    product_rest<V, T, V::kTileX>(rows, w, x + first * x_stride, x_stride, n, y + first * y_stride, y_stride);
  }
}

template <class V>
void fill_products(Kernels& table) {
  table.product[static_cast<size_t>(DType::f32)] = product<V, float>;
  table.product[static_cast<size_t>(DType::bf16)] = product<V, Bf16>;
}

}  // namespace gemma::cpu
