// SPDX-License-Identifier: Apache-2.0
// Groups of values in lanes of four, and their rounding to codes. Sums run in four lanes joined in one order, so a
// result is the same on every processor.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace gemma::quantize {

typedef float F4 __attribute__((vector_size(16)));

inline F4 all(float value) { return F4{value, value, value, value}; }
inline float sum(F4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

/** N values in registers or on the stack. */
template <int N>
struct Group {
  F4 lanes[N / 4];

  static Group load(const float* x) {
    Group g;
    std::memcpy(g.lanes, x, sizeof g.lanes);
    return g;
  }
};

/** Whole numbers low..high nearest to `t` (ties to even). A NaN becomes low. */
inline F4 round_clamped(F4 t, F4 low, F4 high) {
  const F4 magic = all(0x1.8p23f);  // beyond 2^23 floats are whole numbers, so adding it rounds
  t = t > low ? t : low;
  t = t < high ? t : high;
  return (t + magic) - magic;
}

struct Sums {
  float q = 0, qq = 0, xq = 0;
};

/** Sums over the codes q = round((x - offset) * inverse). */
template <int N>
Sums project(const Group<N>& x, float offset, float inverse, float low, float high) {
  F4 q_sum{}, qq_sum{}, xq_sum{};
  for (int i = 0; i < N / 4; ++i) {
    const F4 q = round_clamped((x.lanes[i] - all(offset)) * all(inverse), all(low), all(high));
    q_sum += q;
    qq_sum += q * q;
    xq_sum += q * x.lanes[i];
  }
  return {sum(q_sum), sum(qq_sum), sum(xq_sum)};
}

/** Rounds to codes q of scale * q + offset, writes them and returns the squared error. */
template <int N>
float encode(const Group<N>& x, float scale, float offset, float low, float high, Group<N>& codes) {
  const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
  F4 error{};
  for (int i = 0; i < N / 4; ++i) {
    const F4 q = round_clamped((x.lanes[i] - all(offset)) * all(inverse), all(low), all(high));
    const F4 difference = (q * all(scale) + all(offset)) - x.lanes[i];
    codes.lanes[i] = q;
    error += difference * difference;
  }
  return sum(error);
}

struct Range {
  float low, high;
};

template <int N>
Range range(const Group<N>& x) {
  F4 low = x.lanes[0], high = x.lanes[0];
  for (int i = 1; i < N / 4; ++i) {
    low = x.lanes[i] < low ? x.lanes[i] : low;
    high = x.lanes[i] > high ? x.lanes[i] : high;
  }
  return {std::fmin(std::fmin(low[0], low[1]), std::fmin(low[2], low[3])),
          std::fmax(std::fmax(high[0], high[1]), std::fmax(high[2], high[3]))};
}

/** The value farthest from zero, with its sign; the positive one on a tie. */
template <int N>
float extreme(const Group<N>& x) {
  const Range r = range(x);
  return r.high >= -r.low ? r.high : r.low;
}

}  // namespace gemma::quantize
