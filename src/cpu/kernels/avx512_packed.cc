// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on AVX-512 with VNNI and BF16.
#include <immintrin.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/generic_packed_plain.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/whole_panel.h"

namespace gemma::cpu {
namespace {

struct Packed512 {
  using Codes = __m512i;
  using I = __m512i;
  using F = __m512;
  static constexpr int kLanes = 16;
  static constexpr PrefetchDistance kPrefetch = kPrefetch512;
  static constexpr bool kSignedDot = false;

  static Codes load(const std::byte* p) { return _mm512_loadu_si512(p); }
  static void store_codes(std::byte* p, Codes c) { _mm512_storeu_si512(p, c); }
  static Codes low(Codes c) { return _mm512_and_si512(c, _mm512_set1_epi8(15)); }
  static Codes high(Codes c) { return _mm512_and_si512(_mm512_srli_epi16(c, 4), _mm512_set1_epi8(15)); }
  static Codes with_bits(Codes c, Codes bits, int shift, char mask) {
    const auto by = static_cast<unsigned>(shift >= 0 ? shift : -shift);
    const __m512i moved = shift >= 0 ? _mm512_slli_epi16(bits, by) : _mm512_srli_epi16(bits, by);
    return _mm512_ternarylogic_epi32(c, moved, _mm512_set1_epi8(mask), 0xf8);  // c | (moved & mask)
  }
  static Codes lookup(Codes c) {
    return _mm512_shuffle_epi8(
        _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kCodebookBytes.data()))), c);
  }
  using Levels = __m512i;
  static Levels levels(const uint8_t* p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Codes lookup(Levels levels, Codes c) { return _mm512_shuffle_epi8(levels, c); }
  static Codes no_codes() { return _mm512_setzero_si512(); }
  static I zero_int() { return _mm512_setzero_si512(); }
  static I two_digits(I high, I low) {
    static_assert(kDigitBase == 255);
    return _mm512_add_epi32(_mm512_sub_epi32(_mm512_slli_epi32(high, 8), high), low);
  }
  /** The activations as an operand in memory. From the intrinsic GCC 12 makes a load and a product, and the loads fill
   *  the queue in which products wait: a sixth slower. */
  static I dot(I sum, Codes c, const int8_t* q) {
    asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(c), "m"(*reinterpret_cast<const int8_t(*)[4]>(q)));
    return sum;
  }
  using Operand = __m512i;
  /** In a register: GCC 12 would make an operand in memory of it, and fetch it for each of two products. */
  static Operand operand(const int8_t* q) {
    Operand x;
    asm("vpbroadcastd %1, %0" : "=v"(x) : "m"(*reinterpret_cast<const int8_t(*)[4]>(q)));
    return x;
  }
  static I dot(I sum, Codes c, Operand q) { return _mm512_dpbusd_epi32(sum, c, q); }
  template <int n>
  static I broadcast(const int32_t* p) {
    const I x = _mm512_set1_epi32(*p);
    if constexpr (n == 0) return x;
    return n > 0 ? _mm512_slli_epi32(x, n > 0 ? n : 0) : _mm512_srai_epi32(x, n > 0 ? 0 : -n);
  }
  static I factors(const std::byte* first, const std::byte* second) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(first));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(second));
    return _mm512_cvtepi8_epi16(_mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b)));
  }
  static I first_factor(I factors) { return _mm512_srai_epi32(_mm512_slli_epi32(factors, 16), 16); }
  static I second_factor(I factors) { return _mm512_srai_epi32(factors, 16); }
  template <int n>
  static I two_products(I factors, const int16_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return _mm512_madd_epi16(_mm512_slli_epi16(factors, n), _mm512_set1_epi32(pair));
  }
  static I add_scaled(I sum, I x, I factor) { return _mm512_add_epi32(sum, _mm512_mullo_epi32(x, factor)); }
  static F zero() { return _mm512_setzero_ps(); }
  static F set(float x) { return _mm512_set1_ps(x); }
  static F minus(F x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f)); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F to_float(I x) { return _mm512_cvtepi32_ps(x); }
  static F halves(const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static F bytes(const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static F unsigned_bytes(const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static F floats(const float* p) { return _mm512_loadu_ps(p); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  template <int h>
  static F butterfly(F x) {
    constexpr __mmask16 kUpper = h == 1 ? 0xaaaa : h == 2 ? 0xcccc : h == 4 ? 0xf0f0 : 0xff00;
    F other;
    if constexpr (h == 1) other = _mm512_permute_ps(x, 0xb1);
    if constexpr (h == 2) other = _mm512_permute_ps(x, 0x4e);
    if constexpr (h == 4) other = _mm512_shuffle_f32x4(x, x, 0xb1);
    if constexpr (h == 8) other = _mm512_shuffle_f32x4(x, x, 0x4e);
    return _mm512_mask_sub_ps(_mm512_add_ps(x, other), kUpper, other, x);
  }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }

  // ---- bf16 ----
  static F dot_pairs(F sum, const std::byte* w, const uint16_t* x) {
    int32_t pair;
    std::memcpy(&pair, x, sizeof pair);
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(_mm512_loadu_si512(w)),
                            reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)));
  }
};

int sum_of(__m128i bytes) {
  const __m128i sums = _mm_dpbusd_epi32(_mm_setzero_si128(), _mm_set1_epi8(1), bytes);
  const __m128i two = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
  return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 1);
}

void quantize(const float* x, int64_t n, ActivationBlock* out, int64_t stride) {
  for (int64_t i = 0; i < n; i += kBlock, x += kBlock, out += stride) {
    const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    // As integers, NaN are larger than infinity and infinity than all else.
    const __m512i both = _mm512_max_epi32(_mm512_castps_si512(_mm512_abs_ps(a)), _mm512_castps_si512(_mm512_abs_ps(b)));
    const int bits = _mm512_reduce_max_epi32(both);
    const auto largest = std::bit_cast<float>(bits);
    const bool finite = bits < 0x7f800000, usable = finite && largest >= kLeastActivation;
    const __m512 inverse = _mm512_set1_ps(usable ? 127.0f / largest : 0.0f);
    const __mmask16 used = usable ? 0xffff : 0;
    const __m128i qa = _mm512_cvtepi32_epi8(_mm512_maskz_cvtps_epi32(used, _mm512_mul_ps(a, inverse)));
    const __m128i qb = _mm512_cvtepi32_epi8(_mm512_maskz_cvtps_epi32(used, _mm512_mul_ps(b, inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out->q), qa);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out->q + 16), qb);
    const int half_sum = sum_of(qa), sum = half_sum + sum_of(qb);
    set_scale<Packed512>(out, finite, usable, largest, sum, half_sum);
  }
}

}  // namespace

void avx512_packed(Kernels& table) {
  fill_packed<WholePanel<Packed512>>(table);
  fill_cache<Packed512>(table);
  table.quantize = quantize;
  fill_plain_packed<Packed512>(table);
  table.widen_bf16 = nullptr;  // it has dot products of bf16
}

}  // namespace gemma::cpu
