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
  static F load(const F16* p) { return vcvt_f32_f16(vreinterpret_f16_u16(words(p, 4))); }
  static F load_first(const F16* p, int64_t n) { return vcvt_f32_f16(vreinterpret_f16_u16(words(p, n))); }
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
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }             // a * b + c
  static F fms(F a, F b, F c) { return vfmaq_f32(vnegq_f32(c), a, b); }  // a * b - c
  static F fnma(F a, F b, F c) { return vfmsq_f32(c, a, b); }            // c - a * b
  static F min(F a, F b) { return vminq_f32(a, b); }                     // NaN where either is
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

  static I u8(const void* p) { return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(four_bytes(p))))); }
  static I s8(const void* p) { return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(four_bytes(p))))); }
  static I set_int(int x) { return vdupq_n_s32(x); }
  static I shr(I x, int n) { return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(x), vdupq_n_s32(-n))); }
  static I shl(I x, int n) { return vshlq_s32(x, vdupq_n_s32(n)); }
  static F shl_bits(F x, int n) { return reinterpret_cast<F>(shl(reinterpret_cast<I>(x), n)); }
  static I both(I a, I b) { return vandq_s32(a, b); }
  static I either(I a, I b) { return vorrq_s32(a, b); }
  static I minus(I a, I b) { return vsubq_s32(a, b); }
  static I set_where(uint32_t bits, int value) {
    constexpr uint32_t kLane[4] = {1, 2, 4, 8};
    return vandq_s32(vreinterpretq_s32_u32(vtstq_u32(vdupq_n_u32(bits), vld1q_u32(kLane))), set_int(value));
  }
  static F to_float(I x) { return vcvtq_f32_s32(x); }
  static float half(uint16_t bits) { return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0); }

  /** table[index] for 16 floats. */
  struct Table16 {
    const float* table;
    explicit Table16(const float* p) : table(p) {}
    F operator[](I index) const {
      int32_t at[4];
      vst1q_s32(at, index);
      const float y[4] = {table[at[0] & 15], table[at[1] & 15], table[at[2] & 15], table[at[3] & 15]};
      return vld1q_f32(y);
    }
  };

 private:
  static F widen(uint16x4_t bits) { return vreinterpretq_f32_u32(vshll_n_u16(bits, 16)); }
  static uint16x4_t words(const void* p, int64_t n) {
    uint16_t w[4] = {};
    std::memcpy(w, p, static_cast<size_t>(n) * sizeof *w);
    return vld1_u16(w);
  }
  static uint8x8_t four_bytes(const void* p) {
    uint32_t word;
    std::memcpy(&word, p, sizeof word);
    return vcreate_u8(word);
  }
  static F power(I n) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23)); }
};

}  // namespace gemma::cpu
