// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on AVX2 with VNNI: processors that have dot products of bytes, but no vectors of 512
// bits.
#include <immintrin.h>

#include <cstdint>

#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/packed_avx2.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct PackedVnni : PackedAvx2<PackedVnni> {
  static constexpr bool kSignedDot = false;
  static I dot(I sum, Codes c, const int8_t* q) { return _mm256_dpbusd_avx_epi32(sum, c, four(q)); }
};

}  // namespace

void avxvnni_packed(Kernels& table) {
  fill_packed<PackedVnni>(table);
  fill_cache<PackedVnni>(table);
}

}  // namespace gemma::cpu
