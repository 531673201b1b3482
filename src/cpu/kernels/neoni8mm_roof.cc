// SPDX-License-Identifier: Apache-2.0
// Roofs of NEON with products of 8-bit matrices: those of NEON, but for bytes.
#include <arm_neon.h>

#include "cpu/kernels/generic_roof.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct Int8x2x8 {
  using Acc = int32x4_t;
  using W = int8x16_t;
  static constexpr int kWeights = 4, kInputs = 6, kBytes = 16, kOps = 2 * 32;
  static Acc zero() { return vdupq_n_s32(0); }
  static W load(const std::byte* p) { return vld1q_s8(reinterpret_cast<const int8_t*>(p)); }
  static W input(const std::byte* p) { return load(p); }
  static Acc step(Acc sum, W w, W x) { return vusmmlaq_s32(sum, vreinterpretq_u8_s8(w), x); }
  static void store(std::byte* p, Acc sum) { vst1q_s32(reinterpret_cast<int32_t*>(p), sum); }
};

}  // namespace

RoofKernels neoni8mm_roof() {
  RoofKernels roofs = neon_roof();
  roofs.name = "neoni8mm";
  roofs.int8 = roofs.int4 = {RoofProduct<Int8x2x8>::run, RoofProduct<Int8x2x8>::ops()};
  return roofs;
}

}  // namespace gemma::cpu
