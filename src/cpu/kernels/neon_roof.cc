// SPDX-License-Identifier: Apache-2.0
// Roofs of NEON, by the instructions that its products use: bf16 as two fused multiply-adds on widened halves, 8 bits
// as dot products of four bytes.
#include <arm_neon.h>

#include <cstring>

#include "cpu/kernels/generic_roof.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

uint32x4_t load128(const std::byte* p) { return vreinterpretq_u32_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p))); }

uint32x4_t repeat128(const std::byte* p) {
  uint32_t x;
  std::memcpy(&x, p, sizeof x);
  return vdupq_n_u32(x);
}

struct Read128 {
  using Sum = uint64x2_t;
  static constexpr int kBytes = 64;  // a line: four vectors
  static constexpr PrefetchDistance kPrefetch = cpu::kPrefetch;
  static Sum zero() { return vdupq_n_u64(0); }
  static Sum add(Sum s, const std::byte* p) {
    for (int i = 0; i < 64; i += 16) s = vaddq_u64(s, vreinterpretq_u64_u32(load128(p + i)));
    return s;
  }
  static uint64_t total(Sum s) { return vgetq_lane_u64(s, 0) + vgetq_lane_u64(s, 1); }
};

struct F32x4 {
  using Acc = float32x4_t;
  using W = float32x4_t;
  static constexpr int kWeights = 4, kInputs = 6, kBytes = 16, kOps = 2 * 4;
  static Acc zero() { return vdupq_n_f32(0); }
  static W load(const std::byte* p) { return vreinterpretq_f32_u32(load128(p)); }
  static W input(const std::byte* p) { return vreinterpretq_f32_u32(repeat128(p)); }
  static Acc step(Acc sum, W w, W x) { return vfmaq_f32(sum, w, x); }
  static void store(std::byte* p, Acc sum) { vst1q_f32(reinterpret_cast<float*>(p), sum); }
};

struct Bf16x8 {
  using Acc = float32x4_t;
  struct W {
    float32x4_t first, second;
  };
  static constexpr int kWeights = 2, kInputs = 6, kBytes = 16, kOps = 2 * 8;
  static Acc zero() { return vdupq_n_f32(0); }
  static W widened(uint32x4_t pairs) {
    return {vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16)),
            vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000u)))};
  }
  static W load(const std::byte* p) { return widened(load128(p)); }
  static W input(const std::byte* p) { return widened(repeat128(p)); }
  static Acc step(Acc sum, W w, W x) { return vfmaq_f32(vfmaq_f32(sum, w.second, x.second), w.first, x.first); }
  static void store(std::byte* p, Acc sum) { vst1q_f32(reinterpret_cast<float*>(p), sum); }
};

struct Int8x16 {
  using Acc = int32x4_t;
  using W = int8x16_t;
  static constexpr int kWeights = 4, kInputs = 6, kBytes = 16, kOps = 2 * 16;
  static Acc zero() { return vdupq_n_s32(0); }
  static W load(const std::byte* p) { return vreinterpretq_s8_u32(load128(p)); }
  static W input(const std::byte* p) { return vreinterpretq_s8_u32(repeat128(p)); }
  static Acc step(Acc sum, W w, W x) { return vdotq_s32(sum, w, x); }
  static void store(std::byte* p, Acc sum) { vst1q_s32(reinterpret_cast<int32_t*>(p), sum); }
};

}  // namespace

RoofKernels neon_roof() { return roof_kernels<Read128, F32x4, Bf16x8, Int8x16>("neon"); }

}  // namespace gemma::cpu
