// SPDX-License-Identifier: Apache-2.0
// Products with packed weights (packed.h), once for all instruction sets: PackedProduct is written against a vector
// type V (in {scalar,avx2,avxvnni,avx512,neon,neoni8mm}_packed.cc) of kLanes rows of a panel, four values of each:
//
//   Codes, I, F                4 bytes, an integer, a float for each of kLanes rows
//   kLanes                     rows
//   kMaxRows                   how many activation rows go together, unless the tile says otherwise
//   kPrefetch                  how far ahead weights are fetched
//   kParts<rows>               how many vectors of weight rows go together with so many of them
//   load, low, high            codes as they lie; low nibbles; high nibbles; store_codes: back to where they lie. Where
//                              kLanes is a panel, both are told where the codes of the other 16 rows lie
//   with_bits                  codes | (bits shifted left by `shift` (right where negative) & mask)
//   lookup                     kIq4Values[code] + 128
//   dot                        I + the products of four codes with four signed bytes, the same for every row
//   kSignedDot                 whether codes of zero 128 are multiplied as signed numbers instead, by dot_signed
//   broadcast<n>               the integer at p, times 2^n (exactly), in every lane
//   factors                    kLanes bytes at one place and as many at another as pairs of signed 16-bit numbers;
//                              first_factor, second_factor: one of each, as add_scaled wants it
//   two_products<n>            a pair of numbers times the pair at p, added, times 2^n
//   add_scaled                 I + I * a factor
//   halves, bytes, unsigned_bytes, floats  kLanes f16, int8, uint8, f32 as F
//
// What multiplies a block of weights with a tile of activations is a RowTile, or another type of the same functions.
//
// A lane is a row, so that every sum runs along k in one order whatever the tile; integers are exact, and the floats of
// a block are joined by one fused multiply-add: all instruction sets give the same bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/packed.h"

namespace gemma::cpu {

/** d and -dmin of the kLanes rows from `row` on, which all blocks of a unit share. */
template <class V, DType type>
struct UnitHeader {
  typename V::F d, minus_dmin;
  [[gnu::always_inline]] void read(const std::byte* unit, int row) {
    if constexpr (kPackedFormats[static_cast<size_t>(type)].super) d = V::halves(unit + 2 * row);
    if constexpr (PackedBlock<type>::kHeader == 128) minus_dmin = V::minus(V::halves(unit + 64 + 2 * row));
  }
};

/** A block of kLanes rows of a panel. */
template <class V, DType type>
struct WeightBlock {
  using B = PackedBlock<type>;
  using Codes = typename V::Codes;
  using F = typename V::F;
  static constexpr PackedFormat kFormat = B::kFormat;

  Codes codes[8];              // four values each
  F scale;                     // of the block; with two groups, of what `factors` multiplies
  typename V::I factors = {};  // of two groups
  F minima[kFormat.groups];

  /** The rows from `row` on. */
  [[gnu::always_inline]] void read(const std::byte* block, int row, const UnitHeader<V, type>& header) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) codes[j] = code(block, row, j);
    read_numbers(block, row, header);
  }
  /** codes[j]. */
  [[gnu::always_inline]] static Codes code(const std::byte* block, int row, int j) {
    const std::byte* at = block + row / 16 * B::kHalf + row % 16 * 4;
    if constexpr (kFormat.bits == 8) return load<B::kHalf>(at + 64 * j);
    const Codes both = load<B::kHalf>(at + 64 * (j % 4));
    const Codes c = j < 4 ? V::low(both) : V::high(both);
    if constexpr (kFormat.codebook) return V::lookup(c);
    const std::byte* bits = block + B::kHigh + row / 16 * B::kHighHalf + row % 16 * 4;
    if constexpr (kFormat.bits == 5) return V::with_bits(c, load<B::kHighHalf>(bits), 4 - j, 0x10);
    if constexpr (kFormat.bits == 6) {
      return V::with_bits(c, load<B::kHighHalf>(bits + 64 * (j / 4)), 4 - 2 * (j % 4), 0x30);
    }
    return c;
  }
  [[gnu::always_inline]] void read_numbers(const std::byte* block, int row, const UnitHeader<V, type>& header) {
    const std::byte* at = block + B::kScales;
    if constexpr (kFormat.groups == 2) {
      scale = header.d;
      factors = V::factors(at + row, at + kPanelRows + row);
    } else if constexpr (kFormat.super) {
      scale = V::mul(header.d, V::bytes(at + row));
    } else {
      scale = V::halves(at + 2 * row);
    }
    if constexpr (kFormat.minimum) {
#pragma GCC unroll 2
      for (int g = 0; g < kFormat.groups; ++g) minima[g] = minimum(block, row, g, header.minus_dmin);
    }
  }

  [[gnu::always_inline]] void read_wide(const std::byte* block, int row) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) codes[j] = load<kWideHalf>(block + place(row) + 64 * j);
    read_wide_numbers(block, row);
  }
  [[gnu::always_inline]] void read_wide_numbers(const std::byte* block, int row) {
    const auto* numbers = reinterpret_cast<const float*>(block + W::kScales) + row;
    scale = V::floats(numbers);
    if constexpr (kFormat.groups == 2) std::memcpy(&factors, numbers + kPanelRows, sizeof factors);
    if constexpr (kFormat.minimum) {
#pragma GCC unroll 2
      for (int g = 0; g < kFormat.groups; ++g) minima[g] = V::floats(numbers + kPanelRows * (kFormat.groups + g));
    }
  }
  [[gnu::always_inline]] void write_wide(std::byte* block, int row) const {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      if constexpr (V::kLanes == kPanelRows) {
        V::store_codes(block + place(row) + 64 * j, kWideHalf, codes[j]);
      } else {
        V::store_codes(block + place(row) + 64 * j, codes[j]);
      }
    }
    auto* numbers = reinterpret_cast<float*>(block + W::kScales) + row;
    V::store(numbers, scale);
    if constexpr (kFormat.groups == 2) std::memcpy(numbers + kPanelRows, &factors, sizeof factors);
    if constexpr (kFormat.minimum) {
#pragma GCC unroll 2
      for (int g = 0; g < kFormat.groups; ++g) V::store(numbers + kPanelRows * (kFormat.groups + g), minima[g]);
    }
  }

  /** Of codes within a wide block. */
  static int place(int row) { return row / 16 * kWideHalf + row % 16 * 4; }

 private:
  using W = WideBlock<type>;
  static constexpr int kWideHalf = 512;  // codes of 16 rows in a wide block

  /** kHalf: bytes from the codes of 16 rows to those of the others, where a vector is a whole panel. */
  template <int kHalf>
  [[gnu::always_inline]] static Codes load(const std::byte* p) {
    if constexpr (V::kLanes == kPanelRows) {
      return V::load(p, kHalf);
    } else {
      return V::load(p);
    }
  }

  [[gnu::always_inline]] static F minimum(const std::byte* block, int row, int group, F minus_dmin) {
    const std::byte* at = block + B::kMinima;
    if constexpr (!kFormat.super) return V::halves(at + 2 * row);
    return V::mul(minus_dmin, V::unsigned_bytes(at + kPanelRows * group + row));
  }
};

/** The zero of codes, as a power of two. */
consteval int zero_bits(PackedFormat format) {
  return __builtin_ctz(format.zero == 0 ? 1u : static_cast<unsigned>(format.zero));
}

/** What kRows rows of activations and kLanes rows of weights sum up to, one row of activations after the other. */
template <class V, DType type, int kRows>
class RowTile {
 protected:
  using Codes = typename V::Codes;
  using F = typename V::F;
  using I = typename V::I;
  static constexpr PackedFormat kFormat = kPackedFormats[static_cast<size_t>(type)];
  static constexpr bool kSigned = kFormat.zero == 128 && V::kSignedDot;

  F sums_[kRows];

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

  /** Where the integer sum of a row starts: at -zero * (sum of activations), with two groups times their factors. */
  [[gnu::always_inline]] static I start_of(const WeightBlock<V, type>& w, const ActivationBlock& x) {
    if constexpr (kFormat.zero == 0 || kSigned) return V::zero_int();
    if constexpr (kFormat.groups == 2) return V::template two_products<zero_bits(kFormat)>(w.factors, x.halves);
    return V::template broadcast<zero_bits(kFormat) - 3>(&x.start);
  }

  /** Adds what the integers of a block are worth, which f32 holds exactly: two groups are at most 2^24 in all. */
  [[gnu::always_inline]] static F join(F sum, const WeightBlock<V, type>& w, const ActivationBlock& x, I products) {
    sum = V::fma(V::to_float(products), V::mul(w.scale, V::set(x.scale)), sum);
    if constexpr (!kFormat.minimum) return sum;
    if constexpr (kFormat.groups == 1) return V::fma(w.minima[0], V::set(x.scaled_sum), sum);
    sum = V::fma(w.minima[0], V::set(x.scale * static_cast<float>(-x.halves[0])), sum);
    return V::fma(w.minima[kFormat.groups - 1], V::set(x.scale * static_cast<float>(-x.halves[1])), sum);
  }

  [[gnu::always_inline]] static I products(const WeightBlock<V, type>& w, const ActivationBlock& x) {
    const I start = start_of(w, x);
    if constexpr (kFormat.groups == 1) return dots(dots(start, w.codes, x.q), w.codes + 4, x.q + 16);
    const I first = dots(V::zero_int(), w.codes, x.q), second = dots(V::zero_int(), w.codes + 4, x.q + 16);
    return V::add_scaled(V::add_scaled(start, first, V::first_factor(w.factors)), second, V::second_factor(w.factors));
  }

 public:
  using Block = WeightBlock<V, type>;
  static constexpr int kMaxRows = V::kMaxRows;

  [[gnu::always_inline]] void clear() {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) sums_[r] = V::zero();
  }
  /** Adds the products with a block of each row. */
  [[gnu::always_inline]] void add(const WeightBlock<V, type>& w, const ActivationBlock* x) {
    add(w, x, [](int) {});
  }
  /** Calls before(r) before the products of row r. */
  template <class Before>
  [[gnu::always_inline]] void add(const WeightBlock<V, type>& w, const ActivationBlock* x, Before before) {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      before(r);
      sums_[r] = join(sums_[r], w, x[r], products(w, x[r]));
    }
  }
  [[gnu::always_inline]] void store(float* y, int64_t y_stride) const {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) V::store(y + r * y_stride, sums_[r]);
  }
};

template <class V, DType type, template <class, DType, int> class Tile>
class PackedProduct {
  using B = PackedBlock<type>;
  static constexpr int kMaxRows = Tile<V, type, 1>::kMaxRows;
  static constexpr bool kWholePanel = V::kLanes == kPanelRows;

  /** Piece `piece` of kPieces of what comes behind a block. */
  template <int kPieces>
  [[gnu::always_inline]] static void prefetch_piece(const std::byte* block, int piece) {
    constexpr int kLines = (B::kBytes + 63) / 64;
#pragma GCC unroll 20
    for (int i = kLines * piece / kPieces; i < kLines * (piece + 1) / kPieces; ++i) {
      prefetch_ahead<V::kPrefetch>(block + 64 * i);
    }
  }
  /** What comes behind a block, some of it with each part, for memory does best when it is asked evenly. Where a panel
   *  is gone over four times, a quarter each time and of the next panel, for memory must not rest while the same codes
   *  come from the cache again. */
  template <int kParts>
  [[gnu::always_inline]] static void prefetch_weights(const std::byte* block, int first, int64_t blocks, int part) {
    if constexpr (kPanelRows / (kParts * V::kLanes) < 4) {
      if (first == 0) prefetch_piece<kParts>(block, part);
    } else {
      const std::byte* quarter = block + blocks / B::kBlocks * B::kUnit + first / V::kLanes * (B::kBytes / 4);
#pragma GCC unroll 5
      for (int i = 0; i < B::kBytes / 4; i += 64) __builtin_prefetch(quarter + i);
    }
  }
  /** Results are written when a panel ends: were their lines fetched no sooner, writing would wait for each. */
  template <int kRows>
  [[gnu::always_inline]] static void prefetch_results(float* y, int64_t y_stride) {
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < V::kLanes; i += 16) __builtin_prefetch(y + r * y_stride + i, 1);
    }
  }

  /** kParts vectors of weight rows from `first` on times kRows rows of a tile of `tile_rows`. */
  template <int kRows, int kParts>
  static void rows_of_panel(const std::byte* panel, int first, int64_t blocks, const ActivationBlock* x,
                            int64_t tile_rows, bool prefetch, float* y, int64_t y_stride) {
    Tile<V, type, kRows> tiles[kParts];
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) tiles[p].clear();
    for (int64_t unit = 0; unit < blocks / B::kBlocks; ++unit) {
      UnitHeader<V, type> header[kParts];
#pragma GCC unroll 4
      for (int p = 0; p < kParts; ++p) header[p].read(panel, first + p * V::kLanes);
      const std::byte* block = panel + B::kHeader;
      for (int b = 0; b < B::kBlocks; ++b, block += B::kBytes, x += tile_rows) {
#pragma GCC unroll 4
        for (int p = 0; p < kParts; ++p) {
          if (prefetch && !kWholePanel) prefetch_weights<kParts>(block, first, blocks, p);
          typename Tile<V, type, kRows>::Block w;
          w.read(block, first + p * V::kLanes, header[p]);
          if constexpr (kWholePanel) {
            tiles[p].add(w, x, [&](int row) {
              if (prefetch) prefetch_piece<kRows>(block, row);
            });
          } else {
            tiles[p].add(w, x);
          }
          // Codes of the next vector are not read before: registers would not hold both.
          if constexpr (kParts > 1 && kRows > 2) __asm__ volatile("" ::: "memory");
        }
      }
      panel += B::kUnit;
    }
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) tiles[p].store(y + first + p * V::kLanes, y_stride);
  }

  template <int kRows>
  static void whole_panel(const std::byte* panel, int64_t blocks, const ActivationBlock* x, int64_t tile_rows,
                          bool prefetch, float* y, int64_t y_stride) {
    constexpr int kParts = V::template kParts<kRows>;
    for (int first = 0; first < kPanelRows; first += kParts * V::kLanes) {
      rows_of_panel<kRows, kParts>(panel, first, blocks, x, tile_rows, prefetch, y, y_stride);
    }
  }

  template <int kRows>
  static void rows_of_wide(const std::byte* wide, int first, int64_t blocks, const ActivationBlock* x,
                           int64_t tile_rows, float* y, int64_t y_stride) {
    Tile<V, type, kRows> tile;
    tile.clear();
    prefetch_results<kRows>(y + first, y_stride);
    for (int64_t b = 0; b < blocks; ++b, wide += WideBlock<type>::kBytes, x += tile_rows) {
      typename Tile<V, type, kRows>::Block w;
      w.read_wide(wide, first);
      tile.add(w, x);
    }
    tile.store(y + first, y_stride);
  }
  template <int kRows>
  static void whole_wide(const std::byte* wide, int64_t blocks, const ActivationBlock* x, int64_t tile_rows, float* y,
                         int64_t y_stride) {
    for (int first = 0; first < kPanelRows; first += V::kLanes) {
      rows_of_wide<kRows>(wide, first, blocks, x, tile_rows, y, y_stride);
    }
  }

  template <int... rows>
  static void choose_wide(std::integer_sequence<int, rows...>, int64_t count, const std::byte* wide, int64_t blocks,
                          const ActivationBlock* x, int64_t tile_rows, float* y, int64_t y_stride) {
    ((count == rows + 1 ? whole_wide<rows + 1>(wide, blocks, x, tile_rows, y, y_stride) : void()), ...);
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
    for (int64_t r = 0; r < x_rows; r += kMaxRows) {
      choose(std::make_integer_sequence<int, kMaxRows>(), std::min<int64_t>(kMaxRows, x_rows - r), panel, blocks, x + r,
             x_rows, prefetch && r == 0, y + r * y_stride, y_stride);
    }
  }

  /** Kernels::widen. */
  static void widen(const std::byte* panel, int64_t blocks, std::byte* wide) {
    for (int64_t unit = 0; unit < blocks / B::kBlocks; ++unit, panel += B::kUnit) {
      const std::byte* block = panel + B::kHeader;
      for (int b = 0; b < B::kBlocks; ++b, block += B::kBytes, wide += WideBlock<type>::kBytes) {
        prefetch_piece<1>(block, 0);
        for (int row = 0; row < kPanelRows; row += V::kLanes) {
          UnitHeader<V, type> header;
          header.read(panel, row);
          WeightBlock<V, type> w;
          w.read(block, row, header);
          w.write_wide(wide, row);
        }
      }
    }
  }

  /** Kernels::wide_product. */
  static void run_wide(const std::byte* wide, int64_t blocks, const ActivationBlock* x, int64_t x_rows, float* y,
                       int64_t y_stride) {
    for (int64_t r = 0; r < x_rows; r += V::kMaxRows) {
      choose_wide(std::make_integer_sequence<int, V::kMaxRows>(), std::min<int64_t>(V::kMaxRows, x_rows - r), wide,
                  blocks, x + r, x_rows, y + r * y_stride, y_stride);
    }
  }
};

/** What a block of activations holds beside its integers. Not finite: NaN, so that every product with it is. */
template <class V>
void set_scale(ActivationBlock* out, bool finite, bool usable, float largest, int32_t sum, int32_t half_sum) {
  out->scale = finite ? (usable ? largest / 127.0f : 0.0f) : __builtin_nanf("");
  out->start = -8 * sum;
  out->halves[0] = static_cast<int16_t>(-half_sum);
  out->halves[1] = static_cast<int16_t>(half_sum - sum);
  out->scaled_sum = out->scale * static_cast<float>(sum);
}

template <class V, template <class, DType, int> class Tile = RowTile>
void fill_packed(Kernels& table) {
  const auto set = [&]<DType... types>() {
    ((table.packed_product[static_cast<size_t>(types)] = PackedProduct<V, types, Tile>::run), ...);
    ((table.widen[static_cast<size_t>(types)] = PackedProduct<V, types, Tile>::widen), ...);
    ((table.wide_product[static_cast<size_t>(types)] = PackedProduct<V, wide_type(types), Tile>::run_wide), ...);
  };
  set.template operator()<DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q2_k, DType::q3_k,
                          DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs>();
}

}  // namespace gemma::cpu
