// SPDX-License-Identifier: Apache-2.0
#include "media/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/platform.h"
#include "media/resize_passes.h"

namespace gemma::media {
namespace {

/** What PassWeights points to. */
struct Weights {
  PassWeights pass;
  std::vector<int> first;
  std::vector<int32_t> values;
};

double keys_cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

struct Windows {
  int taps = 0;
  std::vector<int> first;
  std::vector<double> values;  // [size][taps]
  double largest = 0;
};

/** The normalised windows in double precision. When shrinking the kernel is widened by the scale. */
Windows windows(int from, int to, ResizeRule rule) {
  const double scale = static_cast<double>(from) / to, widening = std::max(scale, 1.0), support = 2 * widening;
  Windows out;
  out.taps = std::min(static_cast<int>(std::ceil(support)) * 2 + 1, from);
  out.first.resize(static_cast<size_t>(to));
  out.values.resize(static_cast<size_t>(to) * out.taps);
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int count = std::min(static_cast<int>(centre + support + 0.5), from) - first;
    GEMMA_CHECK(count <= out.taps, "a window holds the kernel");
    double* value = out.values.data() + int64_t{i} * out.taps;
    double sum = 0;
    for (int k = 0; k < count; ++k) sum += value[k] = keys_cubic((k + first - centre + 0.5) * (1 / widening));
    for (int k = 0; k < count; ++k) {
      value[k] = rule == ResizeRule::torch ? value[k] / sum : value[k] * (1 / sum);
      out.largest = std::max(out.largest, value[k]);
    }
    // So that a window never reaches over the end: zeros may stand before it too.
    const int shift = std::max(first + out.taps - from, 0);
    std::rotate(value, value + out.taps - shift, value + out.taps);
    out.first[static_cast<size_t>(i)] = first - shift;
  }
  return out;
}

/** As many bits as the largest weight has room for in 16 with its sign. */
int torch_bits(double largest) {
  int bits = 0;
  while (bits < 22 && static_cast<int>(0.5 + largest * (1 << (bits + 1))) < (1 << 15)) ++bits;
  return bits;
}

Weights weights_of(int from, int to, ResizeRule rule) {
  Windows exact = windows(from, to, rule);
  Weights out;
  out.first = std::move(exact.first);
  const int bits = rule == ResizeRule::torch ? torch_bits(exact.largest) : 22;
  out.values.resize(exact.values.size());
  for (size_t i = 0; i < exact.values.size(); ++i) {
    const double scaled = exact.values[i] * (1 << bits);
    out.values[i] = static_cast<int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
  }
  out.pass = {exact.taps, bits, out.first.data(), out.values.data()};
  return out;
}

Pixels across(const Pixels& from, int width, ResizeRule rule, const ResizePasses& passes) {
  const Weights weights = weights_of(from.width, width, rule);
  Pixels out{width, from.height, std::vector<uint8_t>(static_cast<size_t>(width) * from.height * 3)};
  std::vector<uint8_t> scratch(static_cast<size_t>(pass_scratch_bytes(from.width)));
  passes.across({from.rgb.data(), out.rgb.data(), from.width, from.height, width, from.height}, weights.pass,
                scratch.data());
  return out;
}

Pixels down(const Pixels& from, int height, ResizeRule rule, const ResizePasses& passes) {
  const Weights weights = weights_of(from.height, height, rule);
  Pixels out{from.width, height, std::vector<uint8_t>(static_cast<size_t>(from.width) * height * 3)};
  passes.down({from.rgb.data(), out.rgb.data(), from.width, from.height, from.width, height}, weights.pass);
  return out;
}

}  // namespace

Pixels resize_by(const ResizePasses& passes, Pixels pixels, int width, int height, ResizeRule rule) {
  GEMMA_CHECK(width > 0 && height > 0 && pixels.width > 0 && pixels.height > 0, "sizes of pictures");
  const bool down_first = rule == ResizeRule::pillow_down_first;
  if (down_first && height != pixels.height) pixels = down(pixels, height, rule, passes);
  if (width != pixels.width) pixels = across(pixels, width, rule, passes);
  if (height != pixels.height) pixels = down(pixels, height, rule, passes);
  return pixels;
}

Pixels resize(Pixels pixels, int width, int height, ResizeRule rule) {
  static const ResizePasses passes = has_avx2() ? avx2_passes() : baseline_passes();
  return resize_by(passes, std::move(pixels), width, height, rule);
}

}  // namespace gemma::media
