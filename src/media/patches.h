// SPDX-License-Identifier: Apache-2.0
// Pixels as a model takes them in, a row a square of the picture. They stay bytes here: the model's numbers are
// value * (1/255) in f32.
#pragma once

#include <cstdint>
#include <vector>

#include "media/image.h"

namespace gemma::media {

struct Patches {
  int rows = 0, columns = 0, side = 0;
  std::vector<uint8_t> values;     // [rows * columns][side * side * 3]: row, column, channel of the square
  std::vector<int32_t> positions;  // [rows * columns][2]: column and row of the square

  int64_t count() const { return int64_t{rows} * columns; }
};

/** Squares of `side` pixels: a patch (16) for models with a vision tower, a whole cell (48) for those without. The
 *  picture's sides must be multiples of it. */
Patches cut_patches(const Pixels& pixels, int side);

}  // namespace gemma::media
