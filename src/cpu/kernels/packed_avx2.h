// SPDX-License-Identifier: Apache-2.0
// The vector type of generic_packed.h on 256 bits, but for its dot products.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/kernels/packed.h"
#include "cpu/kernels/packed_cache.h"

namespace gemma::cpu {

/** What AVX2 has and AVX-VNNI shares; `V` is the type made of it, so that files compiled with other flags share no
 *  function. */
template <class V>
struct PackedAvx2 {
  using Codes = __m256i;
  using I = __m256i;
  using F = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kMaxRows = 6;
  static constexpr PrefetchDistance kPrefetch = cpu::kPrefetch;
  template <int rows>
  static constexpr int kParts = rows == 1 ? 4 : 1;

  static Codes load(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store_codes(std::byte* p, Codes c) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), c); }
  static Codes low(Codes c) { return _mm256_and_si256(c, _mm256_set1_epi8(15)); }
  static Codes high(Codes c) { return _mm256_and_si256(_mm256_srli_epi16(c, 4), _mm256_set1_epi8(15)); }
  static Codes with_bits(Codes c, Codes bits, int shift, char mask) {
    const __m256i moved = shift >= 0 ? _mm256_slli_epi16(bits, shift) : _mm256_srli_epi16(bits, -shift);
    return _mm256_or_si256(c, _mm256_and_si256(moved, _mm256_set1_epi8(mask)));
  }
  static Codes lookup(Codes c) {
    return _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kCodebookBytes.data()))), c);
  }
  using Levels = __m256i;
  static Levels levels(const uint8_t* p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Codes lookup(Levels levels, Codes c) { return _mm256_shuffle_epi8(levels, c); }
  static Codes no_codes() { return _mm256_setzero_si256(); }
  static I two_digits(I high, I low) {
    static_assert(kDigitBase == 255);
    return _mm256_add_epi32(_mm256_sub_epi32(_mm256_slli_epi32(high, 8), high), low);
  }
  static I zero_int() { return _mm256_setzero_si256(); }
  template <int n>
  static I broadcast(const int32_t* p) {
    const I x = _mm256_set1_epi32(*p);
    return n >= 0 ? _mm256_slli_epi32(x, n > 0 ? n : 0) : _mm256_srai_epi32(x, n > 0 ? 0 : -n);
  }
  static I factors(const std::byte* first, const std::byte* second) {
    return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(first)),
                                                  _mm_loadl_epi64(reinterpret_cast<const __m128i*>(second))));
  }
  static I first_factor(I factors) { return _mm256_srai_epi32(_mm256_slli_epi32(factors, 16), 16); }
  static I second_factor(I factors) { return _mm256_srai_epi32(factors, 16); }
  template <int n>
  static I two_products(I factors, const int16_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return _mm256_madd_epi16(_mm256_slli_epi16(factors, n), _mm256_set1_epi32(pair));
  }
  static I add_scaled(I sum, I x, I factor) { return _mm256_add_epi32(sum, _mm256_mullo_epi32(x, factor)); }
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
  static F floats(const float* p) { return _mm256_loadu_ps(p); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  template <int h>
  static F butterfly(F x) {
    constexpr int kUpper = h == 1 ? 0xaa : h == 2 ? 0xcc : 0xf0;
    F other;
    if constexpr (h == 1) other = _mm256_permute_ps(x, 0xb1);
    if constexpr (h == 2) other = _mm256_permute_ps(x, 0x4e);
    if constexpr (h == 4) other = _mm256_permute2f128_ps(x, x, 1);
    return _mm256_blend_ps(_mm256_add_ps(x, other), _mm256_sub_ps(other, x), kUpper);
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

 protected:
  static __m256i four(const int8_t* q) {
    int32_t word;
    std::memcpy(&word, q, sizeof word);
    return _mm256_set1_epi32(word);
  }
};

}  // namespace gemma::cpu
