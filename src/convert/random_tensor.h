// SPDX-License-Identifier: Apache-2.0
// Random values of a tensor in any weight type, as bytes that are a pure function of their place: any range can be made
// alone, in any order, from any thread, and is the same every time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/dtype.h"

namespace gemma {

inline constexpr float kFactorSpread = 0.1f;  // of the factors of norms around 1, of what is added around 0

class RandomTensor {
 public:
  /** Values around `centre`, their root mean square distance from it `spread`. Quantized types: centre 0. Fails the
   *  check can_make(dtype). */
  RandomTensor(uint64_t seed, uint64_t index, DType dtype, float centre, float spread);

  static bool can_make(DType dtype);

  /** Bytes offset .. offset + out.size() - 1 of the tensor. */
  void read(int64_t offset, std::span<std::byte> out) const;

 private:
  void make(int64_t unit, std::span<std::byte> out) const;
  template <class T>
  void look_up(int64_t word, std::span<std::byte> out) const;
  void set_scales(std::span<std::byte> out) const;

  uint64_t seed_, index_;
  DType dtype_;
  int64_t unit_;                      // bytes of a unit: whole blocks and whole random words
  std::vector<uint32_t> table_;       // plain types: the bits of 256 values, chosen by a random byte
  uint16_t scale_ = 0, minimum_ = 0;  // quantized types: f16 bits of the least scale
};

}  // namespace gemma
