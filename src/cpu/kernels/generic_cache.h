// SPDX-License-Identifier: Apache-2.0
// Attention over coded keys and values (packed_cache.h), once for all instruction sets: the vector type V of
// generic_packed.h with
//
//   Levels, levels             16 levels, as lookup(levels, codes) wants them
//   no_codes                   four zeros for every row
//   floats, add, sub           kLanes floats of memory; sums
//   butterfly<h>               lanes l and l + h (bit h of l clear) become their sum and difference, h < kLanes
//   two_digits                 high * 255 + low
//
// Loops without V are plain ones that the compiler makes vectors of; they are templates of V so that each instruction
// set has a copy of its own. Their floats are exact or rounded once an element, so all tables give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "cpu/kernels/kernels.h"

namespace gemma::cpu {

template <class V>
void hadamard(float* x, int64_t n, float factor) {
  int64_t h = 1;
  if (n >= V::kLanes) {
    for (int64_t i = 0; i < n; i += V::kLanes) {
      typename V::F v = V::floats(x + i);
      if constexpr (V::kLanes > 1) v = V::template butterfly<1>(v);
      if constexpr (V::kLanes > 2) v = V::template butterfly<2>(v);
      if constexpr (V::kLanes > 4) v = V::template butterfly<4>(v);
      if constexpr (V::kLanes > 8) v = V::template butterfly<8>(v);
      V::store(x + i, v);
    }
    for (h = V::kLanes; h < n; h *= 2) {
      for (int64_t start = 0; start < n; start += 2 * h) {
        for (int64_t i = start; i < start + h; i += V::kLanes) {
          const typename V::F a = V::floats(x + i), b = V::floats(x + i + h);
          V::store(x + i, V::add(a, b));
          V::store(x + i + h, V::sub(a, b));
        }
      }
    }
  }
  for (; h < n; h *= 2) {
    for (int64_t i = 0; i < n; ++i) {
      if ((i & h) != 0) continue;
      const float a = x[i], b = x[i + h];
      x[i] = a + b;
      x[i + h] = a - b;
    }
  }
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

template <class V>
void cache_codes(const float* x, int64_t n, const float* thresholds, int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t width = n - i < kBlock ? n - i : kBlock;
    int32_t codes[kBlock] = {};
    float values[kBlock] = {};
    for (int64_t j = 0; j < width; ++j) values[j] = x[i + j];
    for (int64_t t = 0; t < count; ++t) {
      const float threshold = thresholds[t];
      for (int64_t j = 0; j < kBlock; ++j) codes[j] += values[j] > threshold ? 1 : 0;
    }
    for (int64_t j = 0; j < width; ++j) out[i + j] = static_cast<uint8_t>(codes[j]);
  }
}

/** To the nearest integer, ties to even; for |x| below 2^22. */
inline constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: its last bit is worth 1
template <class V>
[[gnu::always_inline]] inline int32_t rounded(float x) {
  return __builtin_bit_cast(int32_t, x + kRounder) - __builtin_bit_cast(int32_t, kRounder);
}

/** The bits of |x|, which order like the numbers; infinities and NaN are above all others. */
template <class V>
[[gnu::always_inline]] inline int32_t magnitude(float x) {
  return __builtin_bit_cast(int32_t, x) & 0x7fffffff;
}
inline constexpr int32_t kInfinityBits = 0x7f800000;

template <class V>
void cache_query(const float* x, int64_t n, int8_t* q, int64_t stride, CacheQuery* query) {
  int32_t most = 0;
  for (int64_t i = 0; i < n; ++i) most = magnitude<V>(x[i]) > most ? magnitude<V>(x[i]) : most;
  const float largest = __builtin_bit_cast(float, most);
  const bool finite = most < kInfinityBits, usable = finite && largest >= kLeastActivation;
  const float inverse = usable ? 127.0f / largest : 0.0f;
  int32_t sum = 0;
  for (int64_t i = 0; i < n; i += kBlock, q += stride) {
    const int64_t width = n - i < kBlock ? n - i : kBlock;
    float values[kBlock] = {};
    for (int64_t j = 0; j < width; ++j) values[j] = x[i + j];
    for (int64_t j = 0; j < kBlock; ++j) {
      const int32_t integer = usable ? rounded<V>(values[j] * inverse) : 0;
      q[j] = static_cast<int8_t>(integer);
      sum += integer;
    }
  }
  query->scale = finite ? (usable ? largest / 127.0f : 0.0f) : __builtin_nanf("");
  query->minus_sum = -sum;
}

template <class V>
void cache_digits(const float* p, const float* scales, int64_t begin, int64_t end, int64_t page, int8_t* digits,
                  int64_t stride, CacheWeights* weights) {
  int32_t most = 0;
  for (int64_t i = begin; i < end; ++i) {
    const int32_t size = magnitude<V>(p[i] * scales[i]);
    most = size > most ? size : most;
  }
  const float largest = __builtin_bit_cast(float, most);
  const bool finite = most < kInfinityBits, usable = finite && largest >= kLeastWeight;
  const float inverse = usable ? static_cast<float>(kMostWeight) / largest : 0.0f;
  int32_t sum = 0;
  for (int64_t first = 0; first < page; first += kBlock, digits += stride) {
    int32_t integers[kBlock] = {};
    const int64_t from = begin > first ? begin - first : 0, to = end - first < kBlock ? end - first : kBlock;
    if (usable && from == 0 && to == kBlock) {
      for (int64_t j = 0; j < kBlock; ++j) integers[j] = rounded<V>(p[first + j] * scales[first + j] * inverse);
    } else if (usable) {
      for (int64_t j = from; j < to; ++j) integers[j] = rounded<V>(p[first + j] * scales[first + j] * inverse);
    }
    for (int64_t j = 0; j < kBlock; ++j) {
      const int32_t high = rounded<V>(static_cast<float>(integers[j]) * (1.0f / kDigitBase));
      digits[j] = static_cast<int8_t>(high);
      digits[kBlock + j] = static_cast<int8_t>(integers[j] - kDigitBase * high);
      sum += integers[j];
    }
  }
  weights->scale = finite ? (usable ? largest / static_cast<float>(kMostWeight) : 0.0f) : __builtin_nanf("");
  weights->minus_sum = -sum;
}

template <class V, CacheCodes kind>
class CacheProduct {
  using B = CacheBlock<kind>;
  using Codes = typename V::Codes;
  using Levels = typename V::Levels;
  using F = typename V::F;
  using I = typename V::I;

  /** The level of values 4j .. 4j+3 of kLanes rows from `row` on. */
  [[gnu::always_inline]] static Codes level(const std::byte* block, int row, Levels levels, int j) {
    const std::byte* at = block + row / 16 * B::kHalf + row % 16 * 4;
    if constexpr (B::kBits == 8) return V::load(at + 64 * j);
    if constexpr (B::kBits == 4) {
      const Codes both = V::load(at + 64 * (j % 4));
      return V::lookup(levels, j < 4 ? V::low(both) : V::high(both));
    }
    const Codes two = V::with_bits(V::no_codes(), V::load(at + 64 * (j / 4)), -2 * (j % 4), 0x03);
    if constexpr (B::kBits == 2) return V::lookup(levels, two);
    const std::byte* third = block + B::kThird + row / 16 * 64 + row % 16 * 4;
    return V::lookup(levels, V::with_bits(two, V::load(third), 2 - j, 0x04));
  }
  [[gnu::always_inline]] static void decode(const std::byte* block, int row, Levels levels, Codes* codes) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) codes[j] = level(block, row, levels, j);
  }

  [[gnu::always_inline]] static I start(const int32_t* minus_sum) {
    if constexpr (V::kSignedDot) return V::zero_int();
    return V::template broadcast<7>(minus_sum);  // the zero of levels is 128
  }
  [[gnu::always_inline]] static I dot(I sum, Codes codes, const int8_t* q) {
    if constexpr (V::kSignedDot) return V::dot_signed(sum, codes, q);
    return V::dot(sum, codes, q);
  }

  /** Adds a block of kParts vectors of rows times kRows rows of 32 integers. */
  template <int kRows, int kParts>
  [[gnu::always_inline]] static void add_block(const std::byte* block, int first, Levels levels, const int8_t* q,
                                               I (&sums)[kParts][kRows]) {
#pragma GCC unroll 2
    for (int p = 0; p < kParts; ++p) {
      Codes codes[8];
      decode(block, first + p * V::kLanes, levels, codes);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) sums[p][r] = dot(sums[p][r], codes[j], q + 32 * r + 4 * j);
      }
    }
  }

  /** What comes behind a block, where its rows are gone over for the first time. */
  [[gnu::always_inline]] static void prefetch_behind(const std::byte* block, int first) {
    if (first > 0) return;
#pragma GCC unroll 16
    for (int i = 0; i < B::kBytes; i += 64) prefetch_ahead<V::kPrefetch>(block + i);
  }

  template <int kRows, int kParts>
  static void score_rows(const std::byte* panel, int first, int64_t blocks, int64_t group, Levels levels,
                         const int8_t* q, const CacheQuery* queries, bool prefetch, float* y, int64_t y_stride) {
    const auto* scales = reinterpret_cast<const float*>(panel + blocks * B::kBytes);
    for (int64_t block = 0; block < blocks; block += group, queries += kRows, scales += kPanelRows) {
      I sums[kParts][kRows];
#pragma GCC unroll 2
      for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) sums[p][r] = start(&queries[r].minus_sum);
      }
      const int64_t end = block + group < blocks ? block + group : blocks;
      for (int64_t b = block; b < end; ++b, q += 32 * kRows) {
        if (prefetch) prefetch_behind(panel + b * B::kBytes, first);
        add_block<kRows, kParts>(panel + b * B::kBytes, first, levels, q, sums);
      }
#pragma GCC unroll 2
      for (int p = 0; p < kParts; ++p) {
        const F scale = V::floats(scales + first + p * V::kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          float* to = y + r * y_stride + first + p * V::kLanes;
          const F before = block == 0 ? V::zero() : V::floats(to);
          V::store(to, V::fma(V::to_float(sums[p][r]), V::mul(scale, V::set(queries[r].scale)), before));
        }
      }
    }
  }

  template <int kRows, int kParts>
  static void add_values(const std::byte* panel, int first, int64_t blocks, Levels levels, const int8_t* digits,
                         const CacheWeights* weights, bool prefetch, float* sum, int64_t stride) {
    I sums[kParts][2 * kRows];  // of the high and the low digits of a row
#pragma GCC unroll 2
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        sums[p][2 * r] = V::zero_int();
        sums[p][2 * r + 1] = start(&weights[r].minus_sum);  // of both digits
      }
    }
    for (int64_t b = 0; b < blocks; ++b, digits += 64 * kRows) {
      if (prefetch) prefetch_behind(panel + b * B::kBytes, first);
      add_block<2 * kRows, kParts>(panel + b * B::kBytes, first, levels, digits, sums);
    }
#pragma GCC unroll 2
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        float* to = sum + r * stride + first + p * V::kLanes;
        const F before = V::mul(V::floats(to), V::set(weights[r].correction));
        const I both = V::two_digits(sums[p][2 * r], sums[p][2 * r + 1]);
        V::store(to, V::fma(V::to_float(both), V::set(weights[r].scale), before));
      }
    }
  }

  template <int kRows>
  static void score_panel(const std::byte* panel, int64_t blocks, int64_t group, const uint8_t* levels, const int8_t* q,
                          const CacheQuery* queries, bool prefetch, float* y, int64_t y_stride) {
    constexpr int kParts = V::kLanes == 16 ? 2 : 1;
    const Levels table = V::levels(levels);
    for (int first = 0; first < kPanelRows; first += kParts * V::kLanes) {
      score_rows<kRows, kParts>(panel, first, blocks, group, table, q, queries, prefetch, y, y_stride);
    }
  }

  template <int kRows>
  static void add_panel(const std::byte* panel, int64_t blocks, const uint8_t* levels, const int8_t* digits,
                        const CacheWeights* weights, bool prefetch, float* sum, int64_t stride) {
    constexpr int kParts = V::kLanes == 16 && kRows <= 4 ? 2 : 1;
    const Levels table = V::levels(levels);
    for (int first = 0; first < kPanelRows; first += kParts * V::kLanes) {
      add_values<kRows, kParts>(panel, first, blocks, table, digits, weights, prefetch, sum, stride);
    }
  }

  template <int... rows>
  static void choose_scores(std::integer_sequence<int, rows...>, int64_t count, const std::byte* panel, int64_t blocks,
                            int64_t group, const uint8_t* levels, const int8_t* q, const CacheQuery* queries,
                            bool prefetch, float* y, int64_t y_stride) {
    ((count == rows + 1 ? score_panel<rows + 1>(panel, blocks, group, levels, q, queries, prefetch, y, y_stride)
                        : void()),
     ...);
  }
  template <int... rows>
  static void choose_values(std::integer_sequence<int, rows...>, int64_t count, const std::byte* panel, int64_t blocks,
                            const uint8_t* levels, const int8_t* digits, const CacheWeights* weights, bool prefetch,
                            float* sum, int64_t stride) {
    ((count == rows + 1 ? add_panel<rows + 1>(panel, blocks, levels, digits, weights, prefetch, sum, stride) : void()),
     ...);
  }

 public:
  /** Kernels::cache_scores. */
  static void scores(const std::byte* panel, int64_t blocks, int64_t group, const uint8_t* levels, const int8_t* q,
                     const CacheQuery* queries, int64_t rows, bool prefetch, float* y, int64_t y_stride) {
    choose_scores(std::make_integer_sequence<int, kCacheRows>(), rows, panel, blocks, group, levels, q, queries,
                  prefetch, y, y_stride);
  }
  /** Kernels::cache_values. */
  static void values(const std::byte* panel, int64_t blocks, const uint8_t* levels, const int8_t* digits,
                     const CacheWeights* weights, int64_t rows, bool prefetch, float* sum, int64_t stride) {
    choose_values(std::make_integer_sequence<int, kCacheRows>(), rows, panel, blocks, levels, digits, weights, prefetch,
                  sum, stride);
  }
};

template <class V>
void fill_cache(Kernels& table) {
  table.hadamard = hadamard<V>;
  table.cache_codes = cache_codes<V>;
  table.cache_query = cache_query<V>;
  table.cache_digits = cache_digits<V>;
  const auto set = [&]<CacheCodes... kinds>() {
    ((table.cache_scores[static_cast<size_t>(kinds)] = CacheProduct<V, kinds>::scores), ...);
    ((table.cache_values[static_cast<size_t>(kinds)] = CacheProduct<V, kinds>::values), ...);
  };
  set.template operator()<CacheCodes::bits8, CacheCodes::bits4, CacheCodes::bits3, CacheCodes::bits2>();
}

}  // namespace gemma::cpu
