// SPDX-License-Identifier: Apache-2.0
// The vector type of generic_packed.h on NEON, but for its dot products.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "cpu/kernels/packed.h"
#include "cpu/kernels/packed_cache.h"
#include "cpu/kernels/simd_neon.h"

namespace gemma::cpu {

/** What processors with and without products of 8-bit matrices share; `V` is the type made of it, so that files
 *  compiled with other flags share no function. */
template <class V>
struct PackedNeon {
  using Codes = uint8x16_t;
  using I = int32x4_t;
  using F = float32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kMaxRows = kTileRows;
  static constexpr PrefetchDistance kPrefetch = cpu::kPrefetch;
  template <int rows>
  static constexpr int kParts = rows <= 3   ? 4
                                : rows <= 6 ? 2
                                            : 1;

  static Codes load(const std::byte* p) { return vld1q_u8(reinterpret_cast<const uint8_t*>(p)); }
  static void store_codes(std::byte* p, Codes c) { vst1q_u8(reinterpret_cast<uint8_t*>(p), c); }
  static Codes low(Codes c) { return vandq_u8(c, vdupq_n_u8(15)); }
  static Codes high(Codes c) { return vshrq_n_u8(c, 4); }
  static Codes with_bits(Codes c, Codes bits, int shift, uint8_t mask) {
    return vorrq_u8(c, vandq_u8(vshlq_u8(bits, vdupq_n_s8(static_cast<int8_t>(shift))), vdupq_n_u8(mask)));
  }
  static Codes lookup(Codes c) { return vqtbl1q_u8(vld1q_u8(kCodebookBytes.data()), c); }
  using Levels = uint8x16_t;
  static Levels levels(const uint8_t* p) { return vld1q_u8(p); }
  static Codes lookup(Levels levels, Codes c) { return vqtbl1q_u8(levels, c); }
  static Codes no_codes() { return vdupq_n_u8(0); }
  static I two_digits(I high, I low) { return vmlaq_n_s32(low, high, kDigitBase); }
  static I zero_int() { return vdupq_n_s32(0); }
  template <int n>
  static I broadcast(const int32_t* p) {
    return vshlq_s32(vld1q_dup_s32(p), vdupq_n_s32(n));
  }
  static I factors(const std::byte* first, const std::byte* second) {
    const uint8x8_t pairs = vzip1_u8(four_bytes(first), four_bytes(second));
    return vreinterpretq_s32_s16(vmovl_s8(vreinterpret_s8_u8(pairs)));
  }
  static I first_factor(I factors) { return vshrq_n_s32(vshlq_n_s32(factors, 16), 16); }
  static I second_factor(I factors) { return vshrq_n_s32(factors, 16); }
  template <int n>
  static I two_products(I factors, const int16_t* p) {
    const I first = vmulq_s32(first_factor(factors), vdupq_n_s32(p[0]));
    return vshlq_s32(vmlaq_s32(first, second_factor(factors), vdupq_n_s32(p[1])), vdupq_n_s32(n));
  }
  static I add_scaled(I sum, I x, I factor) { return vmlaq_s32(sum, x, factor); }
  static F zero() { return vdupq_n_f32(0); }
  static F set(float x) { return vdupq_n_f32(x); }
  static F minus(F x) { return vnegq_f32(x); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F to_float(I x) { return vcvtq_f32_s32(x); }
  static F halves(const std::byte* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p))));
  }
  static F bytes(const std::byte* p) {
    return to_float(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(four_bytes(p))))));
  }
  static F unsigned_bytes(const std::byte* p) {
    return to_float(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(four_bytes(p))))));
  }
  static F floats(const float* p) { return vld1q_f32(p); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  template <int h>
  static F butterfly(F x) {
    constexpr uint32_t kUpper[4] = {0, h == 1 ? ~0u : 0, h == 2 ? ~0u : 0, ~0u};
    const F other = h == 1 ? vrev64q_f32(x) : vextq_f32(x, x, 2);
    return vbslq_f32(vld1q_u32(kUpper), vsubq_f32(other, x), vaddq_f32(x, other));
  }
  static void store(float* p, F x) { vst1q_f32(p, x); }

  // ---- bf16 ----
  static F dot_pairs(F sum, const std::byte* w, const uint16_t* x) {
    const uint32x4_t weights = vreinterpretq_u32_u8(load(w)), high = vdupq_n_u32(0xffff0000u);
    uint32_t pair;
    std::memcpy(&pair, x, sizeof pair);
    const uint32x4_t both = vdupq_n_u32(pair);
    sum = fma(vreinterpretq_f32_u32(vandq_u32(weights, high)), vreinterpretq_f32_u32(vandq_u32(both, high)), sum);
    return fma(vreinterpretq_f32_u32(vshlq_n_u32(weights, 16)), vreinterpretq_f32_u32(vshlq_n_u32(both, 16)), sum);
  }

 protected:
  static int8x16_t four(const int8_t* q) {
    int32_t word;
    std::memcpy(&word, q, sizeof word);
    return vreinterpretq_s8_s32(vdupq_n_s32(word));
  }

 private:
  static uint8x8_t four_bytes(const std::byte* p) {
    uint32_t word;
    std::memcpy(&word, p, sizeof word);
    return vcreate_u8(word);
  }
};

}  // namespace gemma::cpu
