// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on NEON with dot products of bytes.
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/generic_packed_bf16.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_neon.h"

namespace gemma::cpu {
namespace {

struct PackedNeon {
  using Codes = uint8x16_t;
  using I = int32x4_t;
  using F = float32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kMaxRows = kTileRows;
  template <int rows>
  static constexpr int kParts = rows <= 3   ? 4
                                : rows <= 6 ? 2
                                            : 1;
  static constexpr bool kSignedDot = true;  // SDOT takes signed bytes; codes below 128 are the same either way

  static Codes load(const std::byte* p) { return vld1q_u8(reinterpret_cast<const uint8_t*>(p)); }
  static Codes low(Codes c) { return vandq_u8(c, vdupq_n_u8(15)); }
  static Codes high(Codes c) { return vshrq_n_u8(c, 4); }
  template <int shift, int mask>
  static Codes with_bits(Codes c, Codes bits) {
    Codes moved = bits;
    if constexpr (shift > 0) moved = vshlq_n_u8(bits, shift);
    if constexpr (shift < 0) moved = vshrq_n_u8(bits, -shift);
    return vorrq_u8(c, vandq_u8(moved, vdupq_n_u8(mask)));
  }
  static Codes lookup(Codes c) { return vqtbl1q_u8(vld1q_u8(kCodebookBytes.data()), c); }
  using Levels = uint8x16_t;
  static Levels levels(const uint8_t* p) { return vld1q_u8(p); }
  static Codes lookup(Levels levels, Codes c) { return vqtbl1q_u8(levels, c); }
  static Codes no_codes() { return vdupq_n_u8(0); }
  static I two_digits(I high, I low) { return vmlaq_n_s32(low, high, kDigitBase); }
  static I zero_int() { return vdupq_n_s32(0); }
  static I dot(I sum, Codes c, const int8_t* q) { return vdotq_s32(sum, vreinterpretq_s8_u8(c), four(q)); }
  static I dot_signed(I sum, Codes c, const int8_t* q) { return dot(sum, veorq_u8(c, vdupq_n_u8(128)), q); }
  template <int n>
  static I broadcast(const int32_t* p) {
    return vshlq_s32(vld1q_dup_s32(p), vdupq_n_s32(n));
  }
  static F zero() { return vdupq_n_f32(0); }
  static F set(float x) { return vdupq_n_f32(x); }
  static F minus(F x) { return vnegq_f32(x); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F to_float(I x) { return vcvtq_f32_s32(x); }
  static F halves(const std::byte* p) { return Neon::load(reinterpret_cast<const F16*>(p)); }
  static F bytes(const std::byte* p) { return to_float(Neon::s8(p)); }
  static F unsigned_bytes(const std::byte* p) { return to_float(Neon::u8(p)); }
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

 private:
  static int8x16_t four(const int8_t* q) {
    int32_t word;
    std::memcpy(&word, q, sizeof word);
    return vreinterpretq_s8_s32(vdupq_n_s32(word));
  }
};

void quantize(const float* x, int64_t n, ActivationBlock* out, int64_t stride) {
  const float32x4_t zero = vdupq_n_f32(0);
  for (int64_t i = 0; i < n; i += kBlock, x += kBlock, out += stride) {
    float32x4_t v[8], largest_of = zero;
    uint32x4_t right = vdupq_n_u32(~0u);
    for (int j = 0; j < 8; ++j) {
      v[j] = vld1q_f32(x + 4 * j);
      largest_of = vmaxnmq_f32(largest_of, vabsq_f32(v[j]));
      right = vandq_u32(right, vceqq_f32(vmulq_f32(v[j], zero), zero));
    }
    const float largest = vmaxvq_f32(largest_of);
    const bool finite = vminvq_u32(right) != 0, usable = finite && largest >= kLeastActivation;
    const float32x4_t inverse = vdupq_n_f32(usable ? 127.0f / largest : 0.0f);
    int32x4_t q[8];
    for (int j = 0; j < 8; ++j) q[j] = usable ? vcvtnq_s32_f32(vmulq_f32(v[j], inverse)) : vdupq_n_s32(0);
    for (int j = 0; j < 2; ++j) {
      const int16x8_t a = vcombine_s16(vmovn_s32(q[4 * j]), vmovn_s32(q[4 * j + 1]));
      const int16x8_t b = vcombine_s16(vmovn_s32(q[4 * j + 2]), vmovn_s32(q[4 * j + 3]));
      vst1q_s8(out->q + 16 * j, vcombine_s8(vmovn_s16(a), vmovn_s16(b)));
    }
    const int half_sum = vaddvq_s32(vaddq_s32(vaddq_s32(q[0], q[1]), vaddq_s32(q[2], q[3])));
    const int sum = half_sum + vaddvq_s32(vaddq_s32(vaddq_s32(q[4], q[5]), vaddq_s32(q[6], q[7])));
    set_scale<PackedNeon>(out, finite, usable, largest, sum, half_sum);
  }
}

}  // namespace

void neon_packed(Kernels& table) {
  fill_packed<PackedNeon>(table);
  fill_cache<PackedNeon>(table);
  table.quantize = quantize;
  table.packed_product_bf16 = PackedProductBf16<PackedNeon>::run;
}

}  // namespace gemma::cpu
