// SPDX-License-Identifier: Apache-2.0
// Products with packed weights (packed.h), once for all instruction sets: PackedProduct<V> is written against a vector
// type V (in {scalar,avx2,avxvnni,avx512,neon}_packed.cc) that holds kLanes rows of a panel, four values of each:
//
//   Codes, I, F                4 bytes, an integer, a float for each of kLanes rows
//   kLanes                     rows
//   kMaxRows                   how many activation rows go together, kParts<rows>: and how many vectors of weight rows
//                              with so many of them, so that all sums stay in registers
//   load, low, high            codes as they lie; low nibbles; high nibbles
//   with_bits<shift, mask>     codes | (bits shifted left by `shift` (right where negative) & mask)
//   lookup                     kIq4Values[code] + 128
//   dot                        I + the products of four codes with four signed bytes, the same for every row
//   kSignedDot                 whether codes of zero 128 are multiplied as signed numbers instead, by dot_signed
//   broadcast<n>               the integer at p, times 2^n (exactly), in every lane
//   halves, bytes, unsigned_bytes  kLanes f16, int8, uint8 as F
//
// A lane is a row, so that every sum runs along k in one order whatever the tile; integers are exact, and the floats of
// a block are joined by one fused multiply-add: all instruction sets give the same bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/packed.h"

namespace gemma::cpu {

template <class V, DType type>
class PackedProduct {
  using B = PackedBlock<type>;
  using Codes = typename V::Codes;
  using F = typename V::F;
  using I = typename V::I;
  static constexpr PackedFormat kFormat = B::kFormat;
  static constexpr bool kSigned = kFormat.zero == 128 && V::kSignedDot;

  /** Codes of kLanes rows from `row` on, eight vectors of four values. */
  [[gnu::always_inline]] static void decode(const std::byte* block, int row, Codes* codes) {
    const std::byte* at = block + row / 16 * B::kHalf + row % 16 * 4;
    const std::byte* bits = block + B::kHigh + row / 16 * B::kHighHalf + row % 16 * 4;
    if constexpr (kFormat.bits == 8) {
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) codes[j] = V::load(at + 64 * j);
      return;
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Codes both = V::load(at + 64 * j);
      codes[j] = V::low(both);
      codes[4 + j] = V::high(both);
      if constexpr (kFormat.codebook) {
        codes[j] = V::lookup(codes[j]);
        codes[4 + j] = V::lookup(codes[4 + j]);
      }
    }
    if constexpr (kFormat.bits == 5) add_fifth_bits(V::load(bits), codes, std::make_integer_sequence<int, 4>());
    if constexpr (kFormat.bits == 6) {
      add_two_bits(V::load(bits), codes, std::make_integer_sequence<int, 4>());
      add_two_bits(V::load(bits + 64), codes + 4, std::make_integer_sequence<int, 4>());
    }
  }

  template <int... j>
  [[gnu::always_inline]] static void add_fifth_bits(Codes bits, Codes* codes, std::integer_sequence<int, j...>) {
    ((codes[j] = V::template with_bits<4 - j, 0x10>(codes[j], bits)), ...);
    ((codes[4 + j] = V::template with_bits<-j, 0x10>(codes[4 + j], bits)), ...);
  }

  template <int... j>
  [[gnu::always_inline]] static void add_two_bits(Codes bits, Codes* codes, std::integer_sequence<int, j...>) {
    ((codes[j] = V::template with_bits<4 - 2 * j, 0x30>(codes[j], bits)), ...);
  }

  /** Scales of the group, and minima. */
  [[gnu::always_inline]] static F scale(const std::byte* block, int row, int group, F d) {
    const std::byte* at = block + B::kScales;
    if constexpr (!kFormat.super) return V::halves(at + 2 * row);
    return V::mul(d, V::bytes(at + kPanelRows * group + row));
  }
  [[gnu::always_inline]] static F minimum(const std::byte* block, int row, int group, F minus_dmin) {
    const std::byte* at = block + B::kMinima;
    if constexpr (!kFormat.super) return V::halves(at + 2 * row);
    return V::mul(minus_dmin, V::unsigned_bytes(at + kPanelRows * group + row));
  }

  /** Four products of codes with four activations each, from `start` on. */
  [[gnu::always_inline]] static I dots(I start, const Codes* codes, const int8_t* q) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if constexpr (kSigned) {
        start = V::dot_signed(start, codes[j], q + 4 * j);
      } else {
        start = V::dot(start, codes[j], q + 4 * j);
      }
    }
    return start;
  }

  /** The integer sums start at -zero * (sum of activations); `eights` is -8 times that sum. */
  [[gnu::always_inline]] static I start(const int32_t* eights) {
    if constexpr (kFormat.zero == 0 || kSigned) return V::zero_int();
    constexpr int kShift = __builtin_ctz(kFormat.zero == 0 ? 8u : static_cast<unsigned>(kFormat.zero)) - 3;
    return V::template broadcast<kShift>(eights);
  }

  /** What a block of one activation row adds to the sums of kLanes weight rows. */
  [[gnu::always_inline]] static F add_block(F sum, const Codes* codes, const F* scales, const F* minima,
                                            const ActivationBlock& x) {
    const F s = V::set(x.scale);
    if constexpr (kFormat.groups == 1) {
      const I products = dots(dots(start(&x.start), codes, x.q), codes + 4, x.q + 16);
      sum = V::fma(V::to_float(products), V::mul(scales[0], s), sum);
      if constexpr (kFormat.minimum) sum = V::fma(minima[0], V::set(x.scaled_sum), sum);
      return sum;
    }
    const int32_t second_start = x.start - x.half_start;
    const I first = dots(start(&x.half_start), codes, x.q);
    const I second = dots(start(&second_start), codes + 4, x.q + 16);
    sum = V::fma(V::to_float(first), V::mul(scales[0], s), sum);
    sum = V::fma(V::to_float(second), V::mul(scales[kFormat.groups - 1], s), sum);
    if constexpr (kFormat.minimum) {
      sum = V::fma(minima[0], V::set(x.scale * static_cast<float>(x.half_start / -8)), sum);
      sum = V::fma(minima[kFormat.groups - 1], V::set(x.scale * static_cast<float>(second_start / -8)), sum);
    }
    return sum;
  }

  /** kParts vectors of weight rows from `first` on times kRows rows of a tile of `tile_rows`. */
  template <int kRows, int kParts>
  static void rows_of_panel(const std::byte* panel, int first, int64_t blocks, const ActivationBlock* x,
                            int64_t tile_rows, bool prefetch, float* y, int64_t y_stride) {
    F sums[kParts][kRows];
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) sums[p][r] = V::zero();
    }
    for (int64_t unit = 0; unit < blocks / B::kBlocks; ++unit) {
      F d[kParts], minus_dmin[kParts];
      if constexpr (kFormat.super) {
#pragma GCC unroll 4
        for (int p = 0; p < kParts; ++p) {
          d[p] = V::halves(panel + 2 * (first + p * V::kLanes));
          if constexpr (kFormat.minimum) minus_dmin[p] = V::minus(V::halves(panel + 64 + 2 * (first + p * V::kLanes)));
        }
      }
      const std::byte* block = panel + B::kHeader;
      for (int b = 0; b < B::kBlocks; ++b, block += B::kBytes, x += tile_rows) {
        if (prefetch) {
#pragma GCC unroll 20
          for (int i = 0; i < B::kBytes; i += 64) prefetch_ahead<kRows>(block + i);
        }
#pragma GCC unroll 4
        for (int p = 0; p < kParts; ++p) {
          const int row = first + p * V::kLanes;
          Codes codes[8];
          decode(block, row, codes);
          F scales[kFormat.groups], minima[kFormat.groups];
#pragma GCC unroll 2
          for (int g = 0; g < kFormat.groups; ++g) {
            scales[g] = scale(block, row, g, d[p]);
            if constexpr (kFormat.minimum) minima[g] = minimum(block, row, g, minus_dmin[p]);
          }
#pragma GCC unroll 12
          for (int r = 0; r < kRows; ++r) sums[p][r] = add_block(sums[p][r], codes, scales, minima, x[r]);
        }
      }
      panel += B::kUnit;
    }
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) V::store(y + r * y_stride + first + p * V::kLanes, sums[p][r]);
    }
  }

  template <int kRows>
  static void whole_panel(const std::byte* panel, int64_t blocks, const ActivationBlock* x, int64_t tile_rows,
                          bool prefetch, float* y, int64_t y_stride) {
    constexpr int kParts = V::template kParts<kRows>;
    for (int first = 0; first < kPanelRows; first += kParts * V::kLanes) {
      rows_of_panel<kRows, kParts>(panel, first, blocks, x, tile_rows, prefetch && first == 0, y, y_stride);
    }
  }

  template <int... rows>
  static void choose(std::integer_sequence<int, rows...>, int64_t count, const std::byte* panel, int64_t blocks,
                     const ActivationBlock* x, int64_t tile_rows, bool prefetch, float* y, int64_t y_stride) {
    ((count == rows + 1 ? whole_panel<rows + 1>(panel, blocks, x, tile_rows, prefetch, y, y_stride) : void()), ...);
  }

 public:
  /** Kernels::packed_product. */
  static void run(const std::byte* panel, int64_t blocks, const ActivationBlock* x, int64_t x_rows, bool prefetch,
                  float* y, int64_t y_stride) {
    for (int64_t r = 0; r < x_rows; r += V::kMaxRows) {
      choose(std::make_integer_sequence<int, V::kMaxRows>(), std::min<int64_t>(V::kMaxRows, x_rows - r), panel, blocks,
             x + r, x_rows, prefetch && r == 0, y + r * y_stride, y_stride);
    }
  }
};

/** What a block of activations holds beside its integers. Not finite: NaN, so that every product with it is. */
template <class V>
void set_scale(ActivationBlock* out, bool finite, bool usable, float largest, int32_t sum, int32_t half_sum) {
  out->scale = finite ? (usable ? largest / 127.0f : 0.0f) : __builtin_nanf("");
  out->start = -8 * sum;
  out->half_start = -8 * half_sum;
  out->scaled_sum = out->scale * static_cast<float>(sum);
}

template <class V, DType... types>
void fill_packed_types(Kernels& table) {
  ((table.packed_product[static_cast<size_t>(types)] = PackedProduct<V, types>::run), ...);
}

template <class V>
void fill_packed(Kernels& table) {
  fill_packed_types<V, DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q2_k, DType::q3_k,
                    DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs>(table);
}

}  // namespace gemma::cpu
