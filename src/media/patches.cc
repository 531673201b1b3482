// SPDX-License-Identifier: Apache-2.0
#include "media/patches.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/error.h"

namespace gemma::media {

Patches cut_patches(const Pixels& pixels, int side) {
  GEMMA_CHECK(side > 0 && pixels.width % side == 0 && pixels.height % side == 0, "a picture of whole patches");
  std::array<float, 256> share{};
  for (size_t i = 0; i < share.size(); ++i) share[i] = static_cast<float>(i) * static_cast<float>(1.0 / 255);
  Patches out{pixels.height / side, pixels.width / side, side, {}, {}};
  out.values.resize(pixels.rgb.size());
  out.positions.reserve(static_cast<size_t>(out.count()) * 2);
  const int64_t stride = int64_t{pixels.width} * 3, line = int64_t{side} * 3;
  float* to = out.values.data();
  for (int row = 0; row < out.rows; ++row) {
    for (int column = 0; column < out.columns; ++column) {
      const uint8_t* from = pixels.rgb.data() + row * side * stride + column * line;
      for (int y = 0; y < side; ++y, from += stride) {
        for (int64_t i = 0; i < line; ++i) *to++ = share[from[i]];
      }
      out.positions.push_back(column);
      out.positions.push_back(row);
    }
  }
  return out;
}

}  // namespace gemma::media
