// SPDX-License-Identifier: Apache-2.0
// Products of weight rows with activation rows, for any vector type V (simd.h). Lanes run along k, so weights are used
// in the order in which files store them. A tile of kTileX x kTileW sums stays in registers; every sum takes the same
// steps whatever the size of its tile, and lanes are added by the one tree V::sums.
#pragma once

#include "cpu/kernels/generic_blocks.h"
#include "cpu/kernels/kernels.h"

namespace gemma::cpu {

// Far enough ahead for memory to answer, close enough to stay in the first-level cache.
inline constexpr int kPrefetchBytes = 4096;

template <class V, class Read>
void unpack_blocks(const std::byte* bytes, float* out, int64_t n) {
  const auto* block = reinterpret_cast<const typename Read::Block*>(bytes);
  for (int64_t i = 0; i < n; i += Read::kValues, ++block) {
    Read::template walk<V>(*block, [&](int at, typename V::F values) { V::store(out + i + at, values); });
  }
}

template <class V, class T>
void unpack_plain(const std::byte* bytes, float* out, int64_t n) {
  constexpr int kLanes = V::kLanes;
  const T* in = reinterpret_cast<const T*>(bytes);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) V::store(out + i, V::load(in + i));
  if (i < n) V::store_first(out + i, V::load_first(in + i, n - i), n - i);
}

/** W rows of blocks with one row of activations. */
template <class V, class Read, int W>
inline void dot_strip(const std::byte* w, int64_t stride, const float* x, int64_t n, float* y) {
  typename V::F sum[W];
  for (int r = 0; r < W; ++r) sum[r] = V::zero();
  int64_t offset = 0;
  for (int64_t i = 0; i < n; i += Read::kValues, offset += sizeof(typename Read::Block)) {
    for (int r = 0; r < W; ++r) {
      const std::byte* at = w + r * stride + offset;
      for (size_t line = 0; line < sizeof(typename Read::Block); line += 64) {
        __builtin_prefetch(at + line + kPrefetchBytes);
      }
      typename V::F s = sum[r];
      Read::template walk<V>(*reinterpret_cast<const typename Read::Block*>(at),
                             [&](int l, typename V::F values) { s = V::fma(values, V::load(x + i + l), s); });
      sum[r] = s;
    }
  }
  V::template store_sums<W>(y, sum);
}

template <class V, class Read>
void dot_blocks(const WeightRows& w, const float* x, int64_t n, float* y) {
  int64_t r = 0;
  for (; r + 4 <= w.rows; r += 4) dot_strip<V, Read, 4>(w.data + r * w.stride, w.stride, x, n, y + r);
  for (; r < w.rows; ++r) dot_strip<V, Read, 1>(w.data + r * w.stride, w.stride, x, n, y + r);
}

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

template <class V, class T>
void dot_plain(const WeightRows& w, const float* x, int64_t n, float* y) {
  product_strip<V, T, 1>(w, x, 0, n, y, 0);
}

template <class V, class Read>
void fill_blocks(Kernels& table, DType type) {
  const auto at = static_cast<size_t>(type);
  table.unpack[at] = unpack_blocks<V, Read>;
  table.dot[at] = dot_blocks<V, Read>;
}

template <class V, class T>
void fill_plain(Kernels& table, DType type) {
  const auto at = static_cast<size_t>(type);
  table.unpack[at] = unpack_plain<V, T>;
  table.dot[at] = dot_plain<V, T>;
  table.product[at] = product<V, T>;
}

template <class V>
void fill_products(Kernels& table) {
  fill_plain<V, float>(table, DType::f32);
  fill_plain<V, Bf16>(table, DType::bf16);
  fill_plain<V, F16>(table, DType::f16);
  fill_blocks<V, ReadQ8_0>(table, DType::q8_0);
  fill_blocks<V, ReadQ4_0>(table, DType::q4_0);
  fill_blocks<V, ReadQ4_1>(table, DType::q4_1);
  fill_blocks<V, ReadQ5_0>(table, DType::q5_0);
  fill_blocks<V, ReadQ5_1>(table, DType::q5_1);
  fill_blocks<V, ReadQ2K>(table, DType::q2_k);
  fill_blocks<V, ReadQ3K>(table, DType::q3_k);
  fill_blocks<V, ReadQ4K>(table, DType::q4_k);
  fill_blocks<V, ReadQ5K>(table, DType::q5_k);
  fill_blocks<V, ReadQ6K>(table, DType::q6_k);
  fill_blocks<V, ReadIq4Nl>(table, DType::iq4_nl);
  fill_blocks<V, ReadIq4Xs>(table, DType::iq4_xs);
}

}  // namespace gemma::cpu
