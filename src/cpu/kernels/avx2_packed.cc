// SPDX-License-Identifier: Apache-2.0
// Products with packed weights on AVX2 and FMA.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/kernels/column_tile.h"
#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/generic_packed_plain.h"
#include "cpu/kernels/packed_avx2.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_avx2.h"

namespace gemma::cpu {
namespace {

struct Packed256 : PackedAvx2<Packed256> {
  // A panel is gone over once, however many rows meet it: sums that registers do not hold cost less than memory that
  // rests while the next quarter of a panel comes from the cache.
  template <int rows>
  static constexpr int kParts = 4;
  static constexpr bool kSignedDot = true;  // unsigned codes above 127 would overflow the 16-bit sums of two products

  static I dot(I sum, Codes c, const int8_t* q) { return widen_pairs(sum, pairs(c, q)); }
  static I dot_signed(I sum, Codes c, const int8_t* q) {
    const __m256i w = _mm256_xor_si256(c, _mm256_set1_epi8(-128));
    return widen_pairs(sum, _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(four(q), w)));
  }

  using Pairs = __m256i;
  static Pairs pairs(Codes c, const int8_t* q) { return _mm256_maddubs_epi16(c, four(q)); }
  static Pairs add_pairs(Pairs a, Pairs b) { return in_order(_mm256_add_epi16(a, b)); }
  static I widen_pairs(I sum, Pairs pairs) {
    return in_order(_mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
  }
  /** As two equal numbers of 16 bits. */
  static I first_factor(I factors) { return _mm256_blend_epi16(factors, _mm256_slli_epi32(factors, 16), 0xaa); }
  static I second_factor(I factors) { return _mm256_blend_epi16(_mm256_srli_epi32(factors, 16), factors, 0xaa); }
  static I widen_scaled(I sum, Pairs pairs, I factor) {
    return in_order(_mm256_add_epi32(sum, _mm256_madd_epi16(pairs, factor)));
  }

 private:
  /** Compilers would make trees of such sums and calculate all that is summed first: more than there are registers. */
  static __m256i in_order(__m256i sum) {
    asm("" : "+x"(sum));
    return sum;
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

/** Four pairs. */
__m128i pairs_of_bf16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x), magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
  const __m256i last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(last, _mm256_set1_epi32(0x7fff)));
  const __m256i is_nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f800000));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
  const __m256i pairs = _mm256_or_si256(upper, _mm256_srli_epi64(upper, 16));  // in the lower half of each 64 bits
  return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(pairs, _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0)));
}

void round_to_bf16(const float* x, int64_t n, uint16_t* out, int64_t stride) {
  for (int64_t i = 0; i < n; i += 8) {
    const int64_t count = n - i < 8 ? (n - i + 1) / 2 : 4;
    const __m128i pairs = pairs_of_bf16(n - i < 8 ? Avx2::load_first(x + i, n - i) : Avx2::load(x + i));
    alignas(16) int32_t each[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(each), pairs);
    for (int64_t p = 0; p < count; ++p, out += stride) std::memcpy(out, each + p, sizeof *each);
  }
}

void widen_bf16(const std::byte* panel, int64_t pairs, float* wide) {
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  for (const float* end = wide + pairs * 2 * kPanelRows; wide < end; wide += 2 * kPanelRows) {
    for (int r = 0; r < kPanelRows; r += 8, panel += 32) {
      const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
      _mm256_storeu_ps(wide + r, _mm256_castsi256_ps(_mm256_and_si256(both, high)));
      _mm256_storeu_ps(wide + kPanelRows + r, _mm256_castsi256_ps(_mm256_slli_epi32(both, 16)));
    }
  }
}

}  // namespace

void avx2_packed(Kernels& table) {
  fill_packed<Packed256, ColumnTile>(table);
  fill_cache<Packed256>(table);
  table.quantize = quantize;
  fill_plain_packed<Packed256>(table);
  table.round_to_bf16 = round_to_bf16;
  table.widen_bf16 = widen_bf16;
}

}  // namespace gemma::cpu
