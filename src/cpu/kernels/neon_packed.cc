// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on NEON with dot products of bytes.
#include <arm_neon.h>

#include <cstdint>

#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/generic_packed_plain.h"
#include "cpu/kernels/packed_neon.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct PackedSdot : PackedNeon<PackedSdot> {
  static constexpr bool kSignedDot = true;  // SDOT takes signed bytes; codes below 128 are the same either way
  static I dot(I sum, Codes c, const int8_t* q) { return vdotq_s32(sum, vreinterpretq_s8_u8(c), four(q)); }
  static I dot_signed(I sum, Codes c, const int8_t* q) { return dot(sum, veorq_u8(c, vdupq_n_u8(128)), q); }
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
    set_scale<PackedSdot>(out, finite, usable, largest, sum, half_sum);
  }
}

}  // namespace

void neon_packed(Kernels& table) {
  fill_packed<PackedSdot>(table);
  fill_cache<PackedSdot>(table);
  table.quantize = quantize;
  fill_plain_packed<PackedSdot>(table);
}

}  // namespace gemma::cpu
