// SPDX-License-Identifier: Apache-2.0
// The scale, or scale and offset, of least squared error for a group of values and a number of codes.
#pragma once

#include <span>

#include "tensor/half.h"
#include "tensor/quantize_lanes.h"

namespace gemma::quantize {

/** A candidate must be better by more than rounding, so that the first of equals, the plain one, stays. */
inline constexpr float kBetter = 1.000001f;

/** The finite half nearest to `value`. */
inline uint16_t finite_half(float value) {
  const uint16_t bits = half::to_f16(value);
  return (bits & 0x7fff) >= 0x7c00 ? static_cast<uint16_t>((bits & 0x8000) | 0x7bff) : bits;
}

/** Whether a half is below 2^-14, where halves are 2^-24 apart. */
inline bool is_denormal(uint16_t bits) { return (bits & 0x7fff) < 0x400; }

/** Scale s of x ~ s * q, low <= q <= high: for each inverse scale offered the codes and their least-squares scale, the
 *  best of these, then `rounds` times codes anew for it. 0 when nothing is better than zeros. */
template <int N>
float fit_scale(const Group<N>& x, std::span<const float> inverses, float low, float high, int rounds) {
  float best_gain = 0, scale = 0;
  const auto consider = [&](float inverse) {
    const Sums s = project(x, 0.0f, inverse, low, high);
    if (s.qq <= 0 || !(s.xq * s.xq > best_gain * kBetter * s.qq)) return false;
    scale = s.xq / s.qq;
    best_gain = s.xq * scale;
    return true;
  };
  for (const float inverse : inverses) consider(inverse);
  for (int i = 0; i < rounds && scale != 0 && consider(1.0f / scale); ++i) {
  }
  return scale;
}

struct Affine {
  float scale = 0, offset = 0;
};

/** The same for x ~ scale * q + offset, 0 <= q <= levels; `steps` are added to levels / (high - low) of the group.
 *  With `offset_below_zero` the offset is at most 0. */
template <int N>
Affine fit_affine(const Group<N>& x, std::span<const float> steps, float levels, bool offset_below_zero, int rounds) {
  Range r = range(x);
  if (offset_below_zero && r.low > 0) r.low = 0;
  if (!(r.high > r.low)) return {0, r.low};
  Group<N> y;  // x - low: little is lost to cancellation
  F4 total{};
  for (int i = 0; i < N / 4; ++i) {
    y.lanes[i] = x.lanes[i] - all(r.low);
    total += y.lanes[i];
  }
  const float n = N, y_sum = sum(total);

  // The gain is by how much the best scale and offset for some codes reduce sum y^2.
  float best_gain = 0;
  Affine best{(r.high - r.low) / levels, 0};
  const auto consider = [&](float inverse, float offset) {
    const Sums s = project(y, offset, inverse, 0, levels);
    const float determinant = n * s.qq - s.q * s.q;
    if (!(determinant > 0)) return false;
    Affine a{(n * s.xq - s.q * y_sum) / determinant, (s.qq * y_sum - s.q * s.xq) / determinant};
    if (offset_below_zero && a.offset > -r.low) a = {(s.xq + r.low * s.q) / s.qq, -r.low};
    const float gain =
        a.scale * (2 * s.xq - a.scale * s.qq - 2 * a.offset * s.q) + a.offset * (2 * y_sum - n * a.offset);
    if (!(gain > best_gain * kBetter)) return false;
    best_gain = gain;
    best = a;
    return true;
  };
  for (const float step : steps) consider((levels + step) / (r.high - r.low), 0);
  for (const float shift : {0.3f, 0.6f, 0.9f}) {
    for (const float step : {-1.2f, -0.8f, -0.4f, 0.0f, 0.4f}) {
      const float inverse = (levels + step) / (r.high - r.low);
      consider(inverse, shift / inverse);
    }
  }
  for (int i = 0; i < rounds && best.scale > 0 && consider(1.0f / best.scale, best.offset); ++i) {
  }
  return {best.scale, r.low + best.offset};
}

}  // namespace gemma::quantize
