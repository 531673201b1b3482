// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on AVX2 and FMA.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/generic_packed_bf16.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct Packed256 {
  using Codes = __m256i;
  using I = __m256i;
  using F = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kMaxRows = 6;
  template <int rows>
  static constexpr int kParts = rows == 1 ? 2 : 1;
  static constexpr bool kSignedDot = true;  // unsigned codes above 127 would overflow the 16-bit sums of two products

  static Codes load(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Codes low(Codes c) { return _mm256_and_si256(c, _mm256_set1_epi8(15)); }
  static Codes high(Codes c) { return _mm256_and_si256(_mm256_srli_epi16(c, 4), _mm256_set1_epi8(15)); }
  template <int shift, int mask>
  static Codes with_bits(Codes c, Codes bits) {
    const __m256i moved = shift >= 0 ? _mm256_slli_epi16(bits, shift & 15) : _mm256_srli_epi16(bits, -shift & 15);
    return _mm256_or_si256(c, _mm256_and_si256(moved, _mm256_set1_epi8(mask)));
  }
  static Codes lookup(Codes c) {
    return _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kCodebookBytes.data()))), c);
  }
  static I zero_int() { return _mm256_setzero_si256(); }
  static I dot(I sum, Codes c, const int8_t* q) { return add_pairs(sum, _mm256_maddubs_epi16(c, four(q))); }
  static I dot_signed(I sum, Codes c, const int8_t* q) {
    const __m256i w = _mm256_xor_si256(c, _mm256_set1_epi8(-128));
    return add_pairs(sum, _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(four(q), w)));
  }
  template <int n>
  static I broadcast(const int32_t* p) {
    const I x = _mm256_set1_epi32(*p);
    return n >= 0 ? _mm256_slli_epi32(x, n > 0 ? n : 0) : _mm256_srai_epi32(x, n > 0 ? 0 : -n);
  }
  static F zero() { return _mm256_setzero_ps(); }
  static F set(float x) { return _mm256_set1_ps(x); }
  static F minus(F x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F to_float(I x) { return _mm256_cvtepi32_ps(x); }
  static F halves(const std::byte* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static F bytes(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static F unsigned_bytes(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }

  // ---- bf16 ----
  static F dot_pairs(F sum, const std::byte* w, const uint16_t* x) {
    const __m256i weights = load(w);
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    int32_t pair;
    std::memcpy(&pair, x, sizeof pair);
    const F second = _mm256_castsi256_ps(_mm256_and_si256(weights, high));
    const F first = _mm256_castsi256_ps(_mm256_slli_epi32(weights, 16));
    const __m256i both = _mm256_set1_epi32(pair);
    sum = fma(second, _mm256_castsi256_ps(_mm256_and_si256(both, high)), sum);
    return fma(first, _mm256_castsi256_ps(_mm256_slli_epi32(both, 16)), sum);
  }

 private:
  static __m256i four(const int8_t* q) {
    int32_t word;
    std::memcpy(&word, q, sizeof word);
    return _mm256_set1_epi32(word);
  }
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
  table.quantize = quantize;
  table.packed_product_bf16 = PackedProductBf16<Packed256>::run;
}

}  // namespace gemma::cpu
