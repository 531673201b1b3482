// SPDX-License-Identifier: Apache-2.0
// Blocks of the common types read faster than generic_blocks.h does: the 16 or 32 values that a group of numbers can
// take are computed once, as a table in one or two registers, and a permutation looks them up. A table holds the same
// f32 values that arithmetic would give.
#pragma once

#include <cstring>

#include "cpu/kernels/simd_avx512.h"
#include "tensor/blocks.h"

namespace gemma::cpu {

struct Avx512Tables {
  using F = __m512;
  using I = __m512i;

  /** first, first + 1, ... */
  static F steps(float first) {
    return _mm512_add_ps(_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_ps(first));
  }
  static F half(uint16_t bits) { return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(bits))); }
  static I bytes(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static F look_up(F table, I index) { return _mm512_permutexvar_ps(index, table); }  // the low four bits count
  static F look_up(F low, F high, I index) { return _mm512_permutex2var_ps(low, index, high); }  // the low five bits

  /** The nibbles of 16 bytes: low ones are values 0..15, high ones 16..31. */
  template <class Use>
  static void nibbles(const uint8_t* qs, F table, Use use) {
    const I q = bytes(qs);
    use(0, look_up(table, q));
    use(16, look_up(table, _mm512_srli_epi32(q, 4)));
  }

  /** The same with fifth bits; bit i of `high` belongs to value i. */
  template <class Use>
  static void five_bits(const uint8_t* qs, const uint8_t* qh, F low, F high, Use use) {
    uint32_t word;
    std::memcpy(&word, qh, sizeof word);
    const I lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const I all = _mm512_set1_epi32(static_cast<int>(word)), q = bytes(qs), four = _mm512_set1_epi32(4);
    // Rotating left by 4 - lane puts bit `lane` at bit 4; 16 further, bit 16 + lane.
    const I bit0 = _mm512_rolv_epi32(all, _mm512_sub_epi32(four, lane));
    const I bit1 = _mm512_rolv_epi32(all, _mm512_sub_epi32(_mm512_set1_epi32(20), lane));
    use(0, look_up(low, high, with_bit4(q, bit0)));
    use(16, look_up(low, high, with_bit4(_mm512_srli_epi32(q, 4), bit1)));
  }
  /** Bits 0..3 of q and bit 4 of `bit`. */
  static I with_bit4(I q, I bit) { return _mm512_ternarylogic_epi32(_mm512_set1_epi32(16), bit, q, 0xca); }

  /** Makes the compiler read the 16 floats from memory again: a broadcasting load costs the permutation port nothing,
   *  whereas taking them out of the register that was just stored would fill it. */
  static void in_memory(float* p) { __asm__("" : "+m"(*reinterpret_cast<float(*)[16]>(p))); }

  /** Eight groups' scale * d into out[0..7], minimum * dmin into out[8..15] (q4_k, q5_k). */
  template <class Block>
  static void group_scales(const Block& b, float* out) {
    uint32_t w[3];
    std::memcpy(w, b.scales, sizeof w);
    const uint64_t scale = (w[0] & 0x3f3f3f3fu) | uint64_t{(w[2] & 0x0f0f0f0fu) | ((w[0] >> 2) & 0x30303030u)} << 32;
    const uint64_t min = (w[1] & 0x3f3f3f3fu) | uint64_t{((w[2] >> 4) & 0x0f0f0f0fu) | ((w[1] >> 2) & 0x30303030u)}
                                                    << 32;
    const __m128i both = _mm_set_epi64x(static_cast<long long>(min), static_cast<long long>(scale));
    uint32_t d;  // d and dmin
    std::memcpy(&d, &b, sizeof d);
    const __m256i halves =
        _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(spread(d)), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
    _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(both)), _mm512_cvtph_ps(halves)));
    in_memory(out);
  }
  /** d twice in lane 0, dmin twice in lane 1. */
  static __m128i spread(uint32_t d) {
    const __m128i x = _mm_cvtsi32_si128(static_cast<int>(d));
    return _mm_unpacklo_epi16(x, x);
  }
};

struct Avx512Q4_0 {
  using Block = BlockQ4_0;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    T::nibbles(b.qs, _mm512_mul_ps(T::steps(-8), T::half(b.d)), use);
  }
};

struct Avx512Q4_1 {
  using Block = BlockQ4_1;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    T::nibbles(b.qs, _mm512_fmadd_ps(T::steps(0), T::half(b.d), T::half(b.m)), use);
  }
};

struct Avx512Iq4Nl {
  using Block = BlockIq4Nl;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    T::nibbles(b.qs, _mm512_mul_ps(values(), T::half(b.d)), use);
  }
  static __m512 values() {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Values))));
  }
};

struct Avx512Q5_0 {
  using Block = BlockQ5_0;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    const __m512 d = T::half(b.d);
    T::five_bits(b.qs, b.qh, _mm512_mul_ps(T::steps(-16), d), _mm512_mul_ps(T::steps(0), d), use);
  }
};

struct Avx512Q5_1 {
  using Block = BlockQ5_1;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    const __m512 d = T::half(b.d), m = T::half(b.m);
    T::five_bits(b.qs, b.qh, _mm512_fmadd_ps(T::steps(0), d, m), _mm512_fmadd_ps(T::steps(16), d, m), use);
  }
};

struct Avx512Q4K {
  using Block = BlockQ4K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    alignas(64) float scale[16];
    T::group_scales(b, scale);
    for (int j = 0; j < 4; ++j) {
      const __m512 low = _mm512_fmsub_ps(T::steps(0), _mm512_set1_ps(scale[2 * j]), _mm512_set1_ps(scale[8 + 2 * j]));
      const __m512 high =
          _mm512_fmsub_ps(T::steps(0), _mm512_set1_ps(scale[2 * j + 1]), _mm512_set1_ps(scale[9 + 2 * j]));
      const __m512i q0 = T::bytes(b.qs + 32 * j), q1 = T::bytes(b.qs + 32 * j + 16);
      use(64 * j, T::look_up(low, q0));
      use(64 * j + 16, T::look_up(low, q1));
      use(64 * j + 32, T::look_up(high, _mm512_srli_epi32(q0, 4)));
      use(64 * j + 48, T::look_up(high, _mm512_srli_epi32(q1, 4)));
    }
  }
};

struct Avx512Q5K {
  using Block = BlockQ5K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    alignas(64) float scale[16];
    T::group_scales(b, scale);
    // Bit g of a byte of qh, wanted at bit 4: rotating left by 4 and then right by one a group.
    __m512i h0 = _mm512_slli_epi32(T::bytes(b.qh), 4), h1 = _mm512_slli_epi32(T::bytes(b.qh + 16), 4);
    for (int g = 0; g < 8; ++g) {
      const __m512 d = _mm512_set1_ps(scale[g]), m = _mm512_set1_ps(scale[8 + g]);
      const __m512 low = _mm512_fmsub_ps(T::steps(0), d, m), high = _mm512_fmsub_ps(T::steps(16), d, m);
      __m512i q0 = T::bytes(b.qs + 32 * (g / 2)), q1 = T::bytes(b.qs + 32 * (g / 2) + 16);
      if (g % 2 == 1) {
        q0 = _mm512_srli_epi32(q0, 4);
        q1 = _mm512_srli_epi32(q1, 4);
      }
      use(32 * g, T::look_up(low, high, T::with_bit4(q0, h0)));
      use(32 * g + 16, T::look_up(low, high, T::with_bit4(q1, h1)));
      h0 = _mm512_srli_epi32(h0, 1);
      h1 = _mm512_srli_epi32(h1, 1);
    }
  }
};

/** Six bits are too many for tables: the numbers are put together as bytes, 64 at a time. */
struct Avx512Q6K {
  using Block = BlockQ6K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    alignas(64) float scale[16];
    const __m512i scales = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b.scales)));
    _mm512_store_ps(scale, _mm512_mul_ps(_mm512_cvtepi32_ps(scales), Avx512Tables::half(b.d)));
    Avx512Tables::in_memory(scale);
    for (int k = 0; k < 2; ++k) {
      alignas(64) int8_t q[128];
      numbers(b.ql + 64 * k, b.qh + 32 * k, q);
      for (int i = 0; i < 8; ++i) {
        const __m512i lanes = _mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(q + 16 * i)));
        use(128 * k + 16 * i, _mm512_mul_ps(_mm512_cvtepi32_ps(lanes), _mm512_set1_ps(scale[8 * k + i])));
      }
    }
  }
  static void numbers(const uint8_t* ql, const uint8_t* qh, int8_t* q) {
    const __m512i nibble = _mm512_set1_epi8(15), two = _mm512_set1_epi8(0x30), zero = _mm512_set1_epi8(32);
    const __m512i low = _mm512_loadu_si512(ql);
    const __m512i high = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(qh)));
    const __m512i first = _mm512_inserti64x4(_mm512_set1_epi16(4), _mm256_set1_epi16(2), 1);  // bits 0, 1 and 2, 3 up
    const __m512i second =
        _mm512_inserti64x4(_mm512_set1_epi16(0), _mm256_set1_epi16(2), 1);  // bits 4, 5 and 6, 7 down
    const __m512i q0 =
        _mm512_ternarylogic_epi32(two, _mm512_sllv_epi16(high, first), _mm512_and_si512(low, nibble), 0xca);
    const __m512i q1 = _mm512_ternarylogic_epi32(two, _mm512_srlv_epi16(high, second),
                                                 _mm512_and_si512(_mm512_srli_epi16(low, 4), nibble), 0xca);
    _mm512_store_si512(q, _mm512_sub_epi8(q0, zero));
    _mm512_store_si512(q + 64, _mm512_sub_epi8(q1, zero));
  }
};

struct Avx512Iq4Xs {
  using Block = BlockIq4Xs;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx512Tables;
    const __m512 table = _mm512_mul_ps(Avx512Iq4Nl::values(), T::half(b.d));
    for (int g = 0; g < 8; ++g) {
      const int low = g % 2 == 0 ? b.scales_l[g / 2] & 15 : b.scales_l[g / 2] >> 4;
      const int scale = (low | ((b.scales_h >> (2 * g)) & 3) << 4) - 32;
      // d * value is exact, and so is its product with the scale: the order does not matter.
      T::nibbles(b.qs + 16 * g, _mm512_mul_ps(table, _mm512_cvtepi32_ps(_mm512_set1_epi32(scale))),
                 [&](int at, __m512 values) { use(32 * g + at, values); });
    }
  }
};

}  // namespace gemma::cpu
