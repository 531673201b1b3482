// SPDX-License-Identifier: Apache-2.0
// Products of a block with several rows, one vector of codes after the other, where registers are few: a vector meets
// all rows before the next one is read, so that no more than the rows' sums are kept. Another RowTile for
// PackedProduct (generic_packed.h), of a vector type V that has beside its functions
//
//   Pairs                      16-bit sums of two products of a code with an activation
//   pairs                      of four codes with four activations, the same for every row
//   add_pairs, widen_pairs     Pairs + Pairs; I + the sums of two neighbours of Pairs
//   widen_scaled               the same, times a factor (first_factor, second_factor)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/packed.h"

namespace gemma::cpu {

/** A block whose codes are left where they lie until they are multiplied. */
template <class V, DType type>
class BlockInPlace : public WeightBlock<V, type> {
  using Base = WeightBlock<V, type>;
  using Codes = typename V::Codes;

  const std::byte* block_ = nullptr;
  int row_ = 0;
  bool wide_ = false;

 public:
  [[gnu::always_inline]] void read(const std::byte* block, int row, const UnitHeader<V, type>& header) {
    block_ = block;
    row_ = row;
    Base::read_numbers(block, row, header);
  }
  [[gnu::always_inline]] void read_wide(const std::byte* block, int row) {
    block_ = block + Base::place(row);
    wide_ = true;
    Base::read_wide_numbers(block, row);
  }

  [[gnu::always_inline]] Codes code(int j) const {
    return wide_ ? V::load(block_ + 64 * j) : Base::code(block_, row_, j);
  }
};

template <class V, DType type, int kRows>
class ColumnTile : public RowTile<V, type, kRows> {
  using Base = RowTile<V, type, kRows>;
  using Base::kFormat;
  using Base::kSigned;
  using typename Base::Codes;
  using typename Base::I;

  // So many sums of two products stay within 16 bits that only their sum is widened: activations are -127 to 127.
  static constexpr int kVectors = 8 / kFormat.groups;
  static constexpr int kTogether = std::min(kVectors, 32767 / (2 * 127 * kFormat.most()));

 public:
  using Block = BlockInPlace<V, type>;
  static constexpr bool kPlain = (kFormat.bits == 4 && !kFormat.codebook) || kFormat.bits == 8;
  /** Registers hold a sum of 16 bits for each row of a whole tile, if neither codes nor second groups need them. */
  static constexpr int kMaxRows = kPlain && kFormat.groups == 1 ? kTileRows : V::kMaxRows;

  [[gnu::always_inline]] void add(const Block& w, const ActivationBlock* x) {
    I products[kRows];
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) products[r] = Base::start_of(w, x[r]);
    if constexpr (kSigned) {
      add_signed(w, x, products);
    } else if constexpr (kFormat.groups == 1) {
      add_vectors(w, x, 0, products, [](I sum, typename V::Pairs pairs) { return V::widen_pairs(sum, pairs); });
    } else {
#pragma GCC unroll 2
      for (int g = 0; g < 2; ++g) {
        const I factor = g == 0 ? V::first_factor(w.factors) : V::second_factor(w.factors);
        add_vectors(w, x, g * kVectors, products,
                    [&](I sum, typename V::Pairs pairs) { return V::widen_scaled(sum, pairs, factor); });
      }
    }
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) Base::sums_[r] = Base::join(Base::sums_[r], w, x[r], products[r]);
  }

 private:
  /** The i-th vector of a group from `first` on; low and high nibbles of a vector one after the other. */
  static constexpr int vector(int first, int i) { return kVectors == 8 ? i / 2 + i % 2 * 4 : first + i; }

  template <class Widen>
  [[gnu::always_inline]] static void add_vectors(const Block& w, const ActivationBlock* x, int first,
                                                 I (&products)[kRows], Widen widen) {
#pragma GCC unroll 8
    for (int begin = 0; begin < kVectors; begin += kTogether) {
      typename V::Pairs pairs[kRows];
#pragma GCC unroll 8
      for (int i = begin; i < begin + kTogether; ++i) {
        const int j = vector(first, i);
        const Codes c = w.code(j);
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
          const typename V::Pairs more = V::pairs(c, x[r].q + 4 * j);
          pairs[r] = i == begin ? more : V::add_pairs(pairs[r], more);
        }
      }
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) products[r] = widen(products[r], pairs[r]);
    }
  }

  [[gnu::always_inline]] static void add_signed(const Block& w, const ActivationBlock* x, I (&products)[kRows]) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      const Codes c = w.code(j);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) products[r] = V::dot_signed(products[r], c, x[r].q + 4 * j);
    }
  }
};

}  // namespace gemma::cpu
