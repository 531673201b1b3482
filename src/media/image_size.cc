// SPDX-License-Identifier: Apache-2.0
#include "media/image_size.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace gemma::media {

Result<TargetSize> target_size(int width, int height, int budget, const Grid& grid) {
  if (width < 1 || height < 1) return Failure{"", fmt::format("a picture of {} x {} holds nothing", width, height)};
  const int64_t side = grid.side();
  const int64_t patches = int64_t{budget} * grid.cell * grid.cell;
  const int64_t pixels = patches * grid.patch * grid.patch;
  // In double precision and this order, as the reference: the last bit decides at whole multiples of the side.
  const double factor = std::sqrt(static_cast<double>(pixels) / static_cast<double>(int64_t{width} * height));
  int64_t rows = static_cast<int64_t>(std::floor(factor * height / static_cast<double>(side)));
  int64_t columns = static_cast<int64_t>(std::floor(factor * width / static_cast<double>(side)));
  if (rows == 0 && columns == 0) {
    return Failure{"", fmt::format("a picture of {} x {} comes to 0 x 0: a budget of {} soft tokens is less than one "
                                   "cell of {} x {} pixels",
                                   width, height, budget, side, side)};
  }
  if (rows == 0) {
    rows = 1;
    columns = std::min<int64_t>(width / height, budget);
  } else if (columns == 0) {
    columns = 1;
    rows = std::min<int64_t>(height / width, budget);
  }
  if (rows * columns > budget) {
    return Failure{"", fmt::format("a picture of {} x {} comes to {} x {}: {} soft tokens, expected at most {}", width,
                                   height, columns * side, rows * side, rows * columns, budget)};
  }
  return TargetSize{static_cast<int>(columns * side), static_cast<int>(rows * side), static_cast<int>(rows * columns)};
}

}  // namespace gemma::media
