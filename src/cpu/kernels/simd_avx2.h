// SPDX-License-Identifier: Apache-2.0
// The vector type (simd.h) for AVX2 with FMA and F16C.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "cpu/kernels/simd.h"

namespace gemma::cpu {

struct Avx2 {
  using F = __m256;
  using I = __m256i;
  static constexpr int kLanes = 8;
  static constexpr int kTileX = 4, kTileW = 3;      // 12 sums + 3 weights + 1 activation of 16 registers
  static constexpr int kSumRows = 6, kSumCols = 2;  // 12 sums + 2 values + 1 weight

  static __m256i first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  static F zero() { return _mm256_setzero_ps(); }
  static F set(float x) { return _mm256_set1_ps(x); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static F load_first(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
  static F load(const Bf16* p) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static F load_first(const Bf16* p, int64_t n) { return widen(words(p, n)); }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static void store_first(float* p, F x, int64_t n) { _mm256_maskstore_ps(p, first(n), x); }

  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }    // a * b + c
  static F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a * b
  static F min(F a, F b) { return _mm256_min_ps(a, b); }              // b where either is NaN
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F round(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F abs(F x) { return _mm256_andnot_ps(set(-0.0f), x); }
  static F copy_sign(F magnitude, F sign) {
    return _mm256_or_ps(_mm256_andnot_ps(set(-0.0f), magnitude), _mm256_and_ps(set(-0.0f), sign));
  }
  static F where_less(F a, F b, F yes, F no) { return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
  static F zero_where_less(F a, F b, F no) { return _mm256_and_ps(no, _mm256_cmp_ps(a, b, _CMP_NLT_UQ)); }
  /** In two halves, so that neither factor leaves the exponent's range and only the last product can round. */
  static F times_power_of_two(F x, F n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half_n = _mm256_srai_epi32(whole, 1);
    return mul(mul(x, power(half_n)), power(_mm256_sub_epi32(whole, half_n)));
  }

  /** Lane l + lane l + 4, then + 2, + 1. */
  static __m128 quarter(F x) { return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)); }
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
    } else if constexpr (n == 3) {
      _mm_maskstore_ps(y, _mm_setr_epi32(-1, -1, -1, 0), sums(x[0], x[1], x[2], zero()));
    } else {
      for (int i = 0; i < n; ++i) y[i] = sum(x[i]);
    }
  }
  static float max_of(F x) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
  static double sum_of_doubles(F x) {
    const __m256d s =
        _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
    const __m128d t = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));
    return _mm_cvtsd_f64(_mm_add_sd(t, _mm_unpackhi_pd(t, t)));
  }

  static I shl(I x, int n) { return reinterpret_cast<I>(reinterpret_cast<Words>(x) << n); }
  static F shl_bits(F x, int n) { return reinterpret_cast<F>(shl(reinterpret_cast<I>(x), n)); }
  static F to_float(I x) { return _mm256_cvtepi32_ps(x); }

 private:
  typedef uint32_t Words __attribute__((vector_size(32)));

  static F widen(__m128i bits) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)); }
  static __m128i words(const void* p, int64_t n) {
    uint16_t w[8] = {};
    std::memcpy(w, p, static_cast<size_t>(n) * sizeof *w);
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(w));
  }
  static F power(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
};

}  // namespace gemma::cpu
