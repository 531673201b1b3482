// SPDX-License-Identifier: Apache-2.0
// Roofs of AVX2 and FMA, by the instructions that its products use: bf16 as two fused multiply-adds on widened halves,
// 8 bits as products of bytes added in pairs twice, 4 bits as such products of which eight are added before the second
// time.
#include <immintrin.h>

#include <cstring>

#include "cpu/kernels/generic_roof.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

__m256i load256(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

__m256i repeat256(const std::byte* p) {
  int32_t x;
  std::memcpy(&x, p, sizeof x);
  return _mm256_set1_epi32(x);
}

struct Read256 {
  using Sum = __m256i;
  static constexpr int kBytes = 64;  // a line: two vectors
  static constexpr PrefetchDistance kPrefetch = cpu::kPrefetch;
  static Sum zero() { return _mm256_setzero_si256(); }
  static Sum add(Sum s, const std::byte* p) {
    return _mm256_add_epi64(_mm256_add_epi64(s, load256(p)), load256(p + 32));
  }
  static uint64_t total(Sum s) {
    const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) + static_cast<uint64_t>(_mm_extract_epi64(two, 1));
  }
};

struct F32x8 {
  using Acc = __m256;
  using W = __m256;
  static constexpr int kWeights = 3, kInputs = 4, kBytes = 32, kOps = 2 * 8;
  static Acc zero() { return _mm256_setzero_ps(); }
  static W load(const std::byte* p) { return _mm256_castsi256_ps(load256(p)); }
  static W input(const std::byte* p) { return _mm256_castsi256_ps(repeat256(p)); }
  static Acc step(Acc sum, W w, W x) { return _mm256_fmadd_ps(w, x, sum); }
  static void store(std::byte* p, Acc sum) { _mm256_storeu_ps(reinterpret_cast<float*>(p), sum); }
};

struct Bf16x16 {
  using Acc = __m256;
  struct W {
    __m256 first, second;
  };
  static constexpr int kWeights = 2, kInputs = 4, kBytes = 32, kOps = 2 * 16;
  static Acc zero() { return _mm256_setzero_ps(); }
  static W widened(__m256i pairs) {
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)), _mm256_castsi256_ps(_mm256_and_si256(pairs, high))};
  }
  static W load(const std::byte* p) { return widened(load256(p)); }
  static W input(const std::byte* p) { return widened(repeat256(p)); }
  static Acc step(Acc sum, W w, W x) {
    return _mm256_fmadd_ps(w.first, x.first, _mm256_fmadd_ps(w.second, x.second, sum));
  }
  static void store(std::byte* p, Acc sum) { _mm256_storeu_ps(reinterpret_cast<float*>(p), sum); }
};

struct Int8x32 {
  using Acc = __m256i;
  using W = __m256i;
  static constexpr int kWeights = 2, kInputs = 4, kBytes = 32, kOps = 2 * 32;
  static Acc zero() { return _mm256_setzero_si256(); }
  static W load(const std::byte* p) { return load256(p); }
  static W input(const std::byte* p) { return repeat256(p); }
  static Acc step(Acc sum, W w, W x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
  }
  static void store(std::byte* p, Acc sum) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sum); }
};

/** Of a block at once: its sums of two stay within 16 bits. */
struct Int4x256 {
  using Acc = __m256i;
  struct W {
    __m256i codes[8];
  };
  static constexpr int kWeights = 1, kInputs = 4, kBytes = 256, kOps = 2 * 256;
  static Acc zero() { return _mm256_setzero_si256(); }
  static W load(const std::byte* p) {
    W w;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) w.codes[i] = _mm256_and_si256(load256(p + 32 * i), _mm256_set1_epi8(15));
    return w;
  }
  static __m256i input(const std::byte* p) { return repeat256(p); }
  static Acc step(Acc sum, const W& w, __m256i x) {
    __m256i pairs = _mm256_maddubs_epi16(w.codes[0], x);
#pragma GCC unroll 8
    for (int i = 1; i < 8; ++i) {
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w.codes[i], x));
      asm("" : "+x"(pairs));  // as the products do (avx2_packed.cc)
    }
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static void store(std::byte* p, Acc sum) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sum); }
};

}  // namespace

RoofKernels avx2_roof() { return roof_kernels<Read256, F32x8, Bf16x16, Int8x32, Int4x256>("avx2"); }

}  // namespace gemma::cpu
