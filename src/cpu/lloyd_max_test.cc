// SPDX-License-Identifier: Apache-2.0
// Levels and distortion against figures found another way: moments of the density in closed form, its mass by
// Gauss-Legendre quadrature, the iteration run to a fixed point.
#include "cpu/lloyd_max.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/kernels/select.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kGaussian = int64_t{1} << 40;  // dimensions: the density is the normal one to all digits

/** Mean squared error of a unit vector of `dim` dimensions whose coordinates become `decoded(t)`: twice the integral
 * over the positive half of the density, by the midpoint rule. */
template <class Decoded>
double distortion(int64_t dim, const Decoded& decoded) {
  const double d = static_cast<double>(dim), root = std::sqrt(d), end = std::min(1.0, 12 / root);
  constexpr int kSteps = 1 << 18;
  double mass = 0, error = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double t = end * (i + 0.5) / kSteps, weight = std::exp((d - 3) / 2 * std::log1p(-t * t));
    const double off = t - decoded(t);
    mass += weight;
    error += weight * off * off;
  }
  return d * error / mass;
}

double nearest(const std::vector<double>& levels, double t) {
  size_t i = 0;
  while (i + 1 < levels.size() && t > (levels[i] + levels[i + 1]) / 2) ++i;
  return levels[i];
}

TEST(LloydMax, LevelsAreTheFixedPoint) {
  const std::vector<std::vector<double>> of_256{
      {0.798664124},
      {0.452617583, 1.507804514},
      {0.244759803, 0.754667365, 1.340247310, 2.141668641},
      {0.128133987, 0.387214043, 0.655187152, 0.939713725, 1.251989019, 1.611168121, 2.057411210, 2.710566995}};
  for (const std::vector<double>& levels : of_256) {
    const auto found = lloyd_max(static_cast<int>(std::bit_width(levels.size())), 256);
    ASSERT_EQ(found.size(), levels.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i] * 16, levels[i], 2e-7) << levels.size() << ' ' << i;
  }
  // Of a sphere in three dimensions the density is the same everywhere.
  EXPECT_NEAR(lloyd_max(1, 3)[0], 0.5, 1e-8);
  EXPECT_NEAR(lloyd_max(2, 3)[1], 0.75, 1e-8);
}

struct Distortion {
  int bits;
  int64_t dim;
  double printed;
};

/** Five digits, of 1 to 6 bits. */
TEST(LloydMax, DistortionIsThatOfTheTable) {
  constexpr Distortion kTable[] = {{1, kGaussian, 0.36338}, {1, 256, 0.36214},      {1, 512, 0.36276},
                                   {2, kGaussian, 0.11748}, {2, 256, 0.11674},      {2, 512, 0.11711},
                                   {3, kGaussian, 0.03455}, {3, 256, 0.03426},      {3, 512, 0.03440},
                                   {4, kGaussian, 0.00950}, {4, 256, 0.00941},      {4, 512, 0.00945},
                                   {5, kGaussian, 0.00250}, {6, kGaussian, 0.00064}};
  for (const Distortion& row : kTable) {
    const auto levels = lloyd_max(row.bits, row.dim);
    const double found = distortion(row.dim, [&](double t) { return nearest(levels, t); });
    EXPECT_NEAR(found, row.printed, 5.1e-6) << row.bits << " bits, " << row.dim;
    EXPECT_GT(found, std::pow(4.0, -row.bits));  // no code whatever is better
    EXPECT_LT(found, 2.73 * std::pow(4.0, -row.bits));
  }
}

/** As the kernels have them: what 8-bit levels and f32 thresholds add is less than a digit. */
TEST(LloydMax, BytesLoseNearlyNothing) {
  for (int bits = 2; bits <= 4; ++bits) {
    for (const int64_t dim : {int64_t{256}, int64_t{512}}) {
      const LevelBytes bytes = level_bytes(bits, dim);
      const auto levels = lloyd_max(bits, dim);
      const auto count = std::ssize(bytes.thresholds);
      ASSERT_EQ(count, (1 << bits) - 1);
      for (int64_t i = 0; i <= count; ++i) {
        EXPECT_EQ(bytes.bytes[static_cast<size_t>(i)] + bytes.bytes[static_cast<size_t>(count - i)], 256);
      }
      const double found = distortion(dim, [&](double t) {
        const auto x = static_cast<float>(t);
        uint8_t code = 0;
        kernels().cache_codes(&x, 1, bytes.thresholds.data(), count, &code);
        return bytes.unit * (bytes.bytes[code] - 128);
      });
      const double least = distortion(dim, [&](double t) { return nearest(levels, t); });
      EXPECT_GE(found, least * (1 - 1e-6)) << bits << " bits, " << dim;
      EXPECT_LE(found, least * (bits == 4 ? 1.0006 : 1.0001)) << bits << " bits, " << dim;
    }
  }
}

}  // namespace
}  // namespace gemma::cpu
