// SPDX-License-Identifier: Apache-2.0
#include "media/patches.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace gemma::media {

Patches cut_patches(const Pixels& pixels, int side) {
  GEMMA_CHECK(side > 0 && pixels.width % side == 0 && pixels.height % side == 0, "a picture of whole patches");
  Patches out{pixels.height / side, pixels.width / side, side, {}, {}};
  out.values.resize(pixels.rgb.size());
  out.positions.reserve(static_cast<size_t>(out.count()) * 2);
  const int64_t stride = int64_t{pixels.width} * 3, line = int64_t{side} * 3;
  uint8_t* to = out.values.data();
  for (int row = 0; row < out.rows; ++row) {
    for (int column = 0; column < out.columns; ++column) {
      const uint8_t* from = pixels.rgb.data() + row * side * stride + column * line;
      for (int y = 0; y < side; ++y, from += stride) {
        to = std::copy_n(from, line, to);
      }
      out.positions.push_back(column);
      out.positions.push_back(row);
    }
  }
  return out;
}

}  // namespace gemma::media
