// SPDX-License-Identifier: Apache-2.0
// Blocks of the common types read faster than generic_blocks.h does: the numbers of a block are put together as bytes,
// 32 at a time, and widened from memory, which costs one instruction for eight of them.
#pragma once

#include <cstring>

#include "cpu/kernels/simd_avx2.h"
#include "tensor/blocks.h"

namespace gemma::cpu {

struct Avx2Bytes {
  using B = __m256i;  // 32 bytes

  static B load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store(void* p, B x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
  static B set(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static B low(B x) { return _mm256_and_si256(x, set(15)); }
  static B high(B x) { return low(_mm256_srli_epi16(x, 4)); }
  /** The nibbles of 16 bytes: low ones first. */
  static B nibbles(const uint8_t* p) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return low(_mm256_inserti128_si256(_mm256_castsi128_si256(x), _mm_srli_epi16(x, 4), 1));
  }
  /** 16 wherever bit i of the word is clear, for byte i. */
  static B sixteen_where_clear(uint32_t word) {
    const B spread = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(word)),
                                         _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2,
                                                          2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    const B bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
    const B clear = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), _mm256_setzero_si256());
    return _mm256_and_si256(clear, set(16));
  }
  static __m256 half(uint16_t bits) { return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(bits))); }
  static __m256 widen(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
};

struct Avx2Q5_0 {
  using Block = BlockQ5_0;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx2Bytes;
    uint32_t fifth;
    std::memcpy(&fifth, b.qh, sizeof fifth);
    alignas(32) int8_t q[32];
    T::store(q, _mm256_sub_epi8(T::nibbles(b.qs), T::sixteen_where_clear(fifth)));
    const __m256 d = T::half(b.d);
    for (int l = 0; l < 32; l += 8) use(l, _mm256_mul_ps(T::widen(q + l), d));
  }
};

struct Avx2Q6K {
  using Block = BlockQ6K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    using T = Avx2Bytes;
    alignas(32) float d[16];
    for (int i = 0; i < 16; i += 8) _mm256_store_ps(d + i, _mm256_mul_ps(T::widen(b.scales + i), T::half(b.d)));
    for (int k = 0; k < 2; ++k) {
      alignas(32) int8_t q[128];
      numbers(b.ql + 64 * k, b.qh + 32 * k, q);
      for (int i = 0; i < 16; ++i) {
        use(128 * k + 8 * i, _mm256_mul_ps(T::widen(q + 8 * i), _mm256_broadcast_ss(d + 8 * k + i / 2)));
      }
    }
  }
  static void numbers(const uint8_t* ql, const uint8_t* qh, int8_t* q) {
    using T = Avx2Bytes;
    const __m256i a = T::load(ql), b = T::load(ql + 32), h = T::load(qh), bits = T::set(0x30), zero = T::set(32);
    const auto put = [&](int at, __m256i nibble, __m256i high) {
      T::store(q + at, _mm256_sub_epi8(_mm256_or_si256(nibble, _mm256_and_si256(high, bits)), zero));
    };
    put(0, T::low(a), _mm256_slli_epi16(h, 4));
    put(32, T::low(b), _mm256_slli_epi16(h, 2));
    put(64, T::high(a), h);
    put(96, T::high(b), _mm256_srli_epi16(h, 2));
  }
};

}  // namespace gemma::cpu
