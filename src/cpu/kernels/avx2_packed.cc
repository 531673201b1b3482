// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on AVX2 and FMA.
#include <immintrin.h>

#include <cstdint>

#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/generic_packed_bf16.h"
#include "cpu/kernels/packed_avx2.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct Packed256 : PackedAvx2<Packed256> {
  static constexpr bool kSignedDot = true;  // unsigned codes above 127 would overflow the 16-bit sums of two products

  static I dot(I sum, Codes c, const int8_t* q) { return add_pairs(sum, _mm256_maddubs_epi16(c, four(q))); }
  static I dot_signed(I sum, Codes c, const int8_t* q) {
    const __m256i w = _mm256_xor_si256(c, _mm256_set1_epi8(-128));
    return add_pairs(sum, _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(four(q), w)));
  }

 private:
  static I add_pairs(I sum, __m256i pairs) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

int sum_of(__m256i x) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

float max_of(__m256 x) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

void quantize(const float* x, int64_t n, ActivationBlock* out, int64_t stride) {
  const __m256 sign = _mm256_set1_ps(-0.0f), zero = _mm256_setzero_ps();
  for (int64_t i = 0; i < n; i += kBlock, x += kBlock, out += stride) {
    __m256 v[4], largest_of = zero, wrong = zero;
    for (int j = 0; j < 4; ++j) {
      v[j] = _mm256_loadu_ps(x + 8 * j);
      largest_of = _mm256_max_ps(largest_of, _mm256_andnot_ps(sign, v[j]));
      wrong = _mm256_or_ps(wrong, _mm256_cmp_ps(_mm256_mul_ps(v[j], zero), zero, _CMP_NEQ_UQ));
    }
    const float largest = max_of(largest_of);
    const bool finite = _mm256_movemask_ps(wrong) == 0, usable = finite && largest >= kLeastActivation;
    const __m256 inverse = _mm256_set1_ps(usable ? 127.0f / largest : 0.0f);
    __m256i q[4];
    for (int j = 0; j < 4; ++j)
      q[j] = usable ? _mm256_cvtps_epi32(_mm256_mul_ps(v[j], inverse)) : _mm256_setzero_si256();
    // The packs work within 128-bit lanes: their words come out as 0 4 1 5 2 6 3 7.
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out->q),
                        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    const int half_sum = sum_of(_mm256_add_epi32(q[0], q[1]));
    const int sum = half_sum + sum_of(_mm256_add_epi32(q[2], q[3]));
    set_scale<Packed256>(out, finite, usable, largest, sum, half_sum);
  }
}

}  // namespace

void avx2_packed(Kernels& table) {
  fill_packed<Packed256>(table);
  fill_cache<Packed256>(table);
  table.quantize = quantize;
  table.packed_product_bf16 = PackedProductBf16<Packed256>::run;
}

}  // namespace gemma::cpu
