// SPDX-License-Identifier: Apache-2.0
// Roofs of AVX2 with VNNI: those of AVX2, but for dot products of bytes.
#include <immintrin.h>

#include <cstring>

#include "cpu/kernels/generic_roof.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct VnniInt8x32 {
  using Acc = __m256i;
  using W = __m256i;
  static constexpr int kWeights = 2, kInputs = 5, kBytes = 32, kOps = 2 * 32;
  static Acc zero() { return _mm256_setzero_si256(); }
  static W load(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static W input(const std::byte* p) {
    int32_t x;
    std::memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
  }
  static Acc step(Acc sum, W w, W x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
  static void store(std::byte* p, Acc sum) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sum); }
};

}  // namespace

RoofKernels avxvnni_roof() {
  RoofKernels roofs = avx2_roof();
  roofs.name = "avxvnni";
  roofs.int8 = roofs.int4 = {RoofProduct<VnniInt8x32>::run, RoofProduct<VnniInt8x32>::ops()};
  return roofs;
}

}  // namespace gemma::cpu
