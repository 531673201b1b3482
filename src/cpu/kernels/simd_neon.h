// SPDX-License-Identifier: Apache-2.0
// The vector type (simd.h) for NEON.
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "cpu/kernels/simd.h"

namespace gemma::cpu {

struct Neon {
  using F = float32x4_t;
  using I = int32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kTileX = 6, kTileW = 4;      // 24 sums + 4 weights + 1 activation of 32 registers
  static constexpr int kSumRows = 6, kSumCols = 4;  // 24 sums + 4 values + 1 weight

  static F zero() { return vdupq_n_f32(0); }
  static F set(float x) { return vdupq_n_f32(x); }
  static F load(const float* p) { return vld1q_f32(p); }
  static F load_first(const float* p, int64_t n) {
    float x[4] = {};
    std::memcpy(x, p, static_cast<size_t>(n) * sizeof *p);
    return vld1q_f32(x);
  }
  static F load(const Bf16* p) { return widen(words(p, 4)); }
  static F load_first(const Bf16* p, int64_t n) { return widen(words(p, n)); }
  static void store(float* p, F x) { vst1q_f32(p, x); }
  static void store_first(float* p, F x, int64_t n) {
    float y[4];
    vst1q_f32(y, x);
    std::memcpy(p, y, static_cast<size_t>(n) * sizeof *p);
  }

  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }   // a * b + c
  static F fnma(F a, F b, F c) { return vfmsq_f32(c, a, b); }  // c - a * b
  static F min(F a, F b) { return vminq_f32(a, b); }           // NaN where either is
  static F max(F a, F b) { return vmaxq_f32(a, b); }
  static F round(F x) { return vrndnq_f32(x); }
  static F abs(F x) { return vabsq_f32(x); }
  static F copy_sign(F magnitude, F sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude); }
  static F where_less(F a, F b, F yes, F no) { return vbslq_f32(vcltq_f32(a, b), yes, no); }
  static F zero_where_less(F a, F b, F no) { return where_less(a, b, zero(), no); }
  /** In two halves, so that neither factor leaves the exponent's range and only the last product can round. */
  static F times_power_of_two(F x, F n) {
    const I whole = vcvtnq_s32_f32(n), half_n = vshrq_n_s32(whole, 1);
    return mul(mul(x, power(half_n)), power(vsubq_s32(whole, half_n)));
  }

  /** Lane l + lane l + 2, then + 1. */
  static float sum(F x) {
    const float32x2_t pairs = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(vpadd_f32(pairs, pairs), 0);
  }
  template <int n>
  static void store_sums(float* y, const F* x) {
    for (int i = 0; i < n; ++i) y[i] = sum(x[i]);
  }
  static float max_of(F x) { return vmaxvq_f32(x); }
  static double sum_of_doubles(F x) {
    return vaddvq_f64(vaddq_f64(vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)));
  }

  static I shl(I x, int n) { return vshlq_s32(x, vdupq_n_s32(n)); }
  static F shl_bits(F x, int n) { return reinterpret_cast<F>(shl(reinterpret_cast<I>(x), n)); }
  static F to_float(I x) { return vcvtq_f32_s32(x); }

 private:
  static F widen(uint16x4_t bits) { return vreinterpretq_f32_u32(vshll_n_u16(bits, 16)); }
  static uint16x4_t words(const void* p, int64_t n) {
    uint16_t w[4] = {};
    std::memcpy(w, p, static_cast<size_t>(n) * sizeof *w);
    return vld1_u16(w);
  }
  static F power(I n) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23)); }
};

}  // namespace gemma::cpu
