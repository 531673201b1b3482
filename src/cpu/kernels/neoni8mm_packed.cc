// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on NEON with products of 8-bit matrices: USMMLA multiplies 2 x 8 bytes by 8 x 2, twice
// as many as a dot product does, for tiles of two activation rows and more. One row meets dot products of unsigned by
// signed bytes, which the same processors have.
//
// Two rows of weights and two of activations make a vector of sums w0x0 w0x1 w1x0 w1x1, and all that follows stays in
// that order until the end of the panel. So activations of two rows lie interleaved (arrange), and codes of kLanes rows
// are zipped as they are read, once for all rows of a tile.
#include <arm_neon.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/packed_neon.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct PackedI8mm : PackedNeon<PackedI8mm> {
  template <int rows>
  static constexpr int kParts = rows <= 2   ? 4
                                : rows <= 4 ? 2
                                            : 1;  // sums, zipped codes and scales of one part: 26
  static constexpr bool kSignedDot = false;
  static I dot(I sum, Codes c, const int8_t* q) { return vusdotq_s32(sum, c, four(q)); }
};

using Codes = PackedI8mm::Codes;
using I = PackedI8mm::I;
using F = PackedI8mm::F;

/** Blocks of two activation rows, eight integers of either at a time. */
struct PairBlock {
  int8_t q[64];
  float scale[2];
  int32_t start[2];
  int16_t halves[2][2];
  float scaled_sum[2];
};
static_assert(sizeof(PairBlock) == 2 * sizeof(ActivationBlock));

/** What is said of two rows, as 0 1 0 1. */
struct TwoRows {
  const PairBlock& x;
  int8x16_t q(int i) const { return vld1q_s8(x.q + 16 * i); }
  static I ints(const int32_t* p) { return vcombine_s32(vld1_s32(p), vld1_s32(p)); }
  static F floats(const float* p) { return vcombine_f32(vld1_f32(p), vld1_f32(p)); }
  F scale() const { return floats(x.scale); }
  I start() const { return ints(x.start); }
  I halves() const {
    const int16x4_t both = vld1_s16(x.halves[0]);
    return vreinterpretq_s32_s16(vcombine_s16(both, both));
  }
  F scaled_sum() const { return floats(x.scaled_sum); }
};

/** A row without another, as 0 0 0 0. */
struct LoneRow {
  const ActivationBlock& x;
  int8x16_t q(int i) const { return vcombine_s8(vld1_s8(x.q + 8 * i), vld1_s8(x.q + 8 * i)); }
  F scale() const { return vld1q_dup_f32(&x.scale); }
  I start() const { return vld1q_dup_s32(&x.start); }
  I halves() const {
    int32_t both;
    std::memcpy(&both, x.halves, sizeof both);
    return vdupq_n_s32(both);
  }
  F scaled_sum() const { return vld1q_dup_f32(&x.scaled_sum); }
};

/** Half of a block of kLanes rows: of two of them, eight values at a time and the rest as 0 0 1 1. */
template <PackedFormat format>
struct TwoWeights {
  Codes codes[4];
  F scale, minima[format.groups];
  I factors;
};

/** RowTile (generic_packed.h) that takes activations by twos. */
template <class V, DType type, int kRows>
class PairTile {
  static constexpr PackedFormat kFormat = kPackedFormats[static_cast<size_t>(type)];
  static constexpr int kPairs = (kRows + 1) / 2;
  using Weights = TwoWeights<kFormat>;

  F sums_[kPairs][2];  // of the first two weight rows, of the second two

  [[gnu::always_inline]] static void zip(const WeightBlock<V, type>& w, Weights& first, Weights& second) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const uint32x4_t a = vreinterpretq_u32_u8(w.codes[2 * i]), b = vreinterpretq_u32_u8(w.codes[2 * i + 1]);
      first.codes[i] = vreinterpretq_u8_u32(vzip1q_u32(a, b));
      second.codes[i] = vreinterpretq_u8_u32(vzip2q_u32(a, b));
    }
    first.scale = vzip1q_f32(w.scale, w.scale);
    second.scale = vzip2q_f32(w.scale, w.scale);
    first.factors = vzip1q_s32(w.factors, w.factors);
    second.factors = vzip2q_s32(w.factors, w.factors);
    if constexpr (kFormat.minimum) {
#pragma GCC unroll 2
      for (int g = 0; g < kFormat.groups; ++g) {
        first.minima[g] = vzip1q_f32(w.minima[g], w.minima[g]);
        second.minima[g] = vzip2q_f32(w.minima[g], w.minima[g]);
      }
    }
  }

  /** x of the halves of a block's activations, each times its factor. */
  [[gnu::always_inline]] static I by_factors(I x, I second, I factors) {
    return vmlaq_s32(vmulq_s32(x, V::first_factor(factors)), second, V::second_factor(factors));
  }
  /** scale * (sum of activations), from that sum with the sign turned. */
  [[gnu::always_inline]] static F scaled(F scale, I minus_sum) {
    return vmulq_f32(scale, vcvtq_f32_s32(vnegq_s32(minus_sum)));
  }
  template <class X>
  [[gnu::always_inline]] static I products(I sum, const Codes* codes, const X& x, int from, int to) {
#pragma GCC unroll 4
    for (int i = from; i < to; ++i) sum = vusmmlaq_s32(sum, codes[i], x.q(i));
    return sum;
  }

  template <class X>
  [[gnu::always_inline]] static F add_rows(F sum, const Weights& w, const X& x) {
    const F s = x.scale(), both = vmulq_f32(w.scale, s);
    constexpr int kZero = zero_bits(kFormat);
    if constexpr (kFormat.groups == 1) {
      const I start = kFormat.zero == 0 ? vdupq_n_s32(0) : vshlq_s32(x.start(), vdupq_n_s32(kZero - 3));
      sum = V::fma(vcvtq_f32_s32(products(start, w.codes, x, 0, 4)), both, sum);
      if constexpr (kFormat.minimum) sum = V::fma(w.minima[0], x.scaled_sum(), sum);
      return sum;
    }
    const I first = V::first_factor(x.halves()), second = V::second_factor(x.halves());
    I one = vdupq_n_s32(0), two = one;
    if constexpr (kFormat.zero > 0) one = vshlq_n_s32(first, kZero), two = vshlq_n_s32(second, kZero);
    one = products(one, w.codes, x, 0, 2);
    two = products(two, w.codes, x, 2, 4);
    sum = V::fma(vcvtq_f32_s32(by_factors(one, two, w.factors)), both, sum);
    if constexpr (kFormat.minimum) {
      sum = V::fma(w.minima[0], scaled(s, first), sum);
      sum = V::fma(w.minima[kFormat.groups - 1], scaled(s, second), sum);
    }
    return sum;
  }

 public:
  using Block = WeightBlock<V, type>;

  [[gnu::always_inline]] void clear() {
#pragma GCC unroll 6
    for (int r = 0; r < kPairs; ++r) sums_[r][0] = sums_[r][1] = vdupq_n_f32(0);
  }

  [[gnu::always_inline]] void add(const WeightBlock<V, type>& w, const ActivationBlock* x) {
    Weights first, second;
    zip(w, first, second);
    const auto add_to = [&] [[gnu::always_inline]] (F(&sums)[2], const auto& rows) {
      sums[0] = add_rows(sums[0], first, rows);
      sums[1] = add_rows(sums[1], second, rows);
    };
#pragma GCC unroll 6
    for (int r = 0; r < kRows / 2; ++r) add_to(sums_[r], TwoRows{reinterpret_cast<const PairBlock*>(x)[r]});
    if constexpr (kRows % 2 == 1) add_to(sums_[kPairs - 1], LoneRow{x[kRows - 1]});
  }

  [[gnu::always_inline]] void store(float* y, int64_t y_stride) const {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const F* s = sums_[r / 2];
      vst1q_f32(y + r * y_stride, r % 2 == 0 ? vuzp1q_f32(s[0], s[1]) : vuzp2q_f32(s[0], s[1]));
    }
  }
};

template <class V, DType type, int kRows>
using I8mmTile = std::conditional_t<kRows == 1, RowTile<V, type, kRows>, PairTile<V, type, kRows>>;

void arrange(ActivationBlock* tile, int64_t rows, int64_t blocks) {
  for (int64_t i = 0; i < blocks; ++i, tile += rows) {
    for (int64_t r = 0; r + 1 < rows; r += 2) {
      const ActivationBlock a = tile[r], b = tile[r + 1];
      PairBlock pair{{},
                     {a.scale, b.scale},
                     {a.start, b.start},
                     {{a.halves[0], a.halves[1]}, {b.halves[0], b.halves[1]}},
                     {a.scaled_sum, b.scaled_sum}};
      for (int j = 0; j < 4; ++j) {
        std::memcpy(pair.q + 16 * j, a.q + 8 * j, 8);
        std::memcpy(pair.q + 16 * j + 8, b.q + 8 * j, 8);
      }
      std::memcpy(tile + r, &pair, sizeof pair);
    }
  }
}

}  // namespace

void neoni8mm_packed(Kernels& table) {
  fill_packed<PackedI8mm, I8mmTile>(table);
  fill_cache<PackedI8mm>(table);
  table.arrange = arrange;
}

}  // namespace gemma::cpu
