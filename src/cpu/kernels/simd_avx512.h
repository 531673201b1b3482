// SPDX-License-Identifier: Apache-2.0
// The vector type (simd.h) for AVX-512 (F, BW, DQ, VL).
#pragma once

#include <immintrin.h>

#include "cpu/kernels/simd.h"

namespace gemma::cpu {

struct Avx512 {
  using F = __m512;
  using I = __m512i;
  static constexpr int kLanes = 16;
  static constexpr int kTileX = 6, kTileW = 4;      // 24 sums + 4 weights + 1 activation of 32 registers
  static constexpr int kSumRows = 6, kSumCols = 4;  // 24 sums + 4 values + 1 weight

  static __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

  static F zero() { return _mm512_setzero_ps(); }
  static F set(float x) { return _mm512_set1_ps(x); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static F load_first(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static F load(const Bf16* p) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static F load_first(const Bf16* p, int64_t n) {
    const __m256i bits = _mm256_maskz_loadu_epi16(first(n), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static void store_first(float* p, F x, int64_t n) { _mm512_mask_storeu_ps(p, first(n), x); }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }    // a * b + c
  static F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
  static F min(F a, F b) { return _mm512_min_ps(a, b); }              // b where either is NaN
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F abs(F x) { return _mm512_abs_ps(x); }
  static F copy_sign(F magnitude, F sign) {
    const __m512i bit = _mm512_set1_epi32(static_cast<int>(0x80000000u));
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(bit, _mm512_castps_si512(sign), _mm512_castps_si512(magnitude), 0xca));
  }
  static F where_less(F a, F b, F yes, F no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static F zero_where_less(F a, F b, F no) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), no); }
  static F times_power_of_two(F x, F n) { return _mm512_scalef_ps(x, n); }

  /** Lane l + lane l + 8, then + 4, + 2, + 1. */
  static __m128 quarter(F x) {
    const __m256 half_sum = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half_sum), _mm256_extractf128_ps(half_sum, 1));
  }
  static __m128 sums(F a, F b, F c, F d) {
    const __m128 qa = quarter(a), qb = quarter(b), qc = quarter(c), qd = quarter(d);
    const __m128 ab = _mm_add_ps(_mm_unpacklo_ps(qa, qb), _mm_unpackhi_ps(qa, qb));  // a0+a2 b0+b2 a1+a3 b1+b3
    const __m128 cd = _mm_add_ps(_mm_unpacklo_ps(qc, qd), _mm_unpackhi_ps(qc, qd));
    return _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
  }
  static float sum(F x) { return _mm_cvtss_f32(sums(x, zero(), zero(), zero())); }
  template <int n>
  static void store_sums(float* y, const F* x) {
    if constexpr (n == 4) {
      _mm_storeu_ps(y, sums(x[0], x[1], x[2], x[3]));
    } else {
      for (int i = 0; i < n; ++i) y[i] = sum(x[i]);
    }
  }
  static float max_of(F x) { return _mm512_reduce_max_ps(x); }
  static double sum_of_doubles(F x) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
  }

  static I shl(I x, int n) { return reinterpret_cast<I>(reinterpret_cast<Words>(x) << n); }
  static F shl_bits(F x, int n) { return reinterpret_cast<F>(shl(reinterpret_cast<I>(x), n)); }
  static F to_float(I x) { return _mm512_cvtepi32_ps(x); }

 private:
  typedef uint32_t Words __attribute__((vector_size(64)));
};

}  // namespace gemma::cpu
