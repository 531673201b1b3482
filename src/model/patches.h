// SPDX-License-Identifier: Apache-2.0
// A picture as encoders read it.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace gemma {

/** A picture cut into squares, row by row of a grid: a tower's patches, or the 12B's blocks. */
struct Patches {
  /** [squares, side * side * 3], within a square by row, column, colour: u8 as they were stored, or f32 from 0 to 1. */
  Tensor pixels;
  int64_t columns = 0;  // of the grid

  int64_t rows() const { return columns > 0 ? pixels.rows() / columns : 0; }
  /** Whether the grid is whole, has no more than `most` columns or rows, and is made of cells of `cell` x `cell`. */
  bool fits(int64_t cell, int64_t most) const {
    return columns > 0 && rows() > 0 && rows() * columns == pixels.rows() && columns % cell == 0 &&
           rows() % cell == 0 && columns <= most && rows() <= most;
  }
};

}  // namespace gemma
