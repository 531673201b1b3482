// SPDX-License-Identifier: Apache-2.0
// Products of a block with several rows, one vector of codes after the other, where registers are few: a vector meets
// all rows before the next one is read, so that no more than the rows' sums are kept. Another RowTile for
// PackedProduct (generic_packed.h), of a vector type V that has beside its functions
//
//   Pairs                      16-bit sums of two products of a code with an activation
//   pairs                      of four codes with four activations, the same for every row
//   add_pairs, widen_pairs     Pairs + Pairs; I + the sums of two neighbours of Pairs
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/packed.h"

namespace gemma::cpu {

/** A block whose codes are left where they lie until they are multiplied, if they need no more than a mask. */
template <class V, DType type>
class BlockInPlace : public WeightBlock<V, type> {
  using Base = WeightBlock<V, type>;
  using Codes = typename V::Codes;
  static constexpr bool kNibbles = Base::kFormat.bits == 4 && !Base::kFormat.codebook;

  const std::byte* at_ = nullptr;
  bool bytes_ = false;

 public:
  static constexpr bool kInPlace = kNibbles || Base::kFormat.bits == 8;

  [[gnu::always_inline]] void read(const std::byte* block, int row, const UnitHeader<V, type>& header) {
    if constexpr (!kInPlace) return Base::read(block, row, header);
    at_ = block + Base::place_of_codes(row);
    bytes_ = !kNibbles;
    Base::read_numbers(block, row, header);
  }
  [[gnu::always_inline]] void read_wide(const std::byte* block, int row) {
    at_ = block + Base::place(row);
    bytes_ = true;
    Base::read_wide_numbers(block, row);
  }

  [[gnu::always_inline]] Codes code(int j) const {
    if (bytes_) return V::load(at_ + 64 * j);
    if constexpr (kNibbles) return j < 4 ? V::low(V::load(at_ + 64 * j)) : V::high(V::load(at_ + 64 * (j - 4)));
    return Base::codes[j];
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
  /** Registers hold a sum of 16 bits for each row of a whole tile, if neither codes nor second groups need them. */
  static constexpr int kMaxRows = Block::kInPlace && kFormat.groups == 1 ? kTileRows : V::kMaxRows;

  [[gnu::always_inline]] void add(const Block& w, const ActivationBlock* x) {
#pragma GCC unroll 2
    for (int g = 0; g < kFormat.groups; ++g) {
      I products[kRows];
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) products[r] = Base::start_of(x[r], g);
      if constexpr (kSigned) {
        add_signed(w, x, g * kVectors, products);
      } else {
        add_vectors(w, x, g * kVectors, products);
      }
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) Base::sums_[r] = Base::join_group(Base::sums_[r], w, x[r], g, products[r]);
    }
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) Base::sums_[r] = Base::join_minima(Base::sums_[r], w, x[r]);
  }

 private:
  /** The i-th vector of a group from `first` on; low and high nibbles of a vector one after the other. */
  static constexpr int vector(int first, int i) { return kVectors == 8 ? i / 2 + i % 2 * 4 : first + i; }

  [[gnu::always_inline]] static void add_vectors(const Block& w, const ActivationBlock* x, int first,
                                                 I (&products)[kRows]) {
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
      for (int r = 0; r < kRows; ++r) products[r] = V::widen_pairs(products[r], pairs[r]);
    }
  }

  [[gnu::always_inline]] static void add_signed(const Block& w, const ActivationBlock* x, int first,
                                                I (&products)[kRows]) {
#pragma GCC unroll 8
    for (int j = first; j < first + kVectors; ++j) {
      const Codes c = w.code(j);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) products[r] = V::dot_signed(products[r], c, x[r].q + 4 * j);
    }
  }
};

}  // namespace gemma::cpu
