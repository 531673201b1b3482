// SPDX-License-Identifier: Apache-2.0
// The best levels for one coordinate of a random unit vector: what TurboQuant's codes mean (arXiv 2504.19874).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace gemma::cpu {

/** The positive half of the 2^bits levels (up to 6 bits) of least mean squared error (Lloyd-Max) for a coordinate of a
 *  unit vector of `dim` dimensions, whose density is proportional to (1 - t^2)^((dim - 3) / 2); rising. */
std::vector<double> lloyd_max(int bits, int64_t dim);

/** These levels as kernels take them: a level is unit * (bytes[code] - 128), rising with the code; a coordinate's code
 * is the number of thresholds below it. */
struct LevelBytes {
  alignas(16) std::array<uint8_t, 16> bytes{};
  std::vector<float> thresholds;
  double unit = 0;
};
LevelBytes level_bytes(int bits, int64_t dim);

}  // namespace gemma::cpu
