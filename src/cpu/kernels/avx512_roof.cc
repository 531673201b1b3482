// SPDX-License-Identifier: Apache-2.0
// Roofs of AVX-512 with VNNI and BF16.
#include <immintrin.h>

#include <cstring>

#include "cpu/kernels/generic_roof.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct Read512 {
  using Sum = __m512i;
  static constexpr int kBytes = 64;
  static constexpr PrefetchDistance kPrefetch = kPrefetch512;
  static Sum zero() { return _mm512_setzero_si512(); }
  static Sum add(Sum s, const std::byte* p) { return _mm512_add_epi64(s, _mm512_loadu_si512(p)); }
  static uint64_t total(Sum s) {  // _mm512_reduce_add_epi64 adds signed integers, which may overflow
    uint64_t lanes[8], sum = 0;
    _mm512_storeu_si512(lanes, s);
    for (const uint64_t lane : lanes) sum += lane;
    return sum;
  }
};

struct Tile512 {
  static constexpr int kWeights = 4, kInputs = 6, kBytes = 64;
};

struct F32x16 : Tile512 {
  using Acc = __m512;
  using W = __m512;
  static constexpr int kOps = 2 * 16;
  static Acc zero() { return _mm512_setzero_ps(); }
  static W load(const std::byte* p) { return _mm512_loadu_ps(p); }
  static W input(const std::byte* p) {
    float x;
    std::memcpy(&x, p, sizeof x);
    return _mm512_set1_ps(x);
  }
  static Acc step(Acc sum, W w, W x) { return _mm512_fmadd_ps(w, x, sum); }
  static void store(std::byte* p, Acc sum) { _mm512_storeu_ps(p, sum); }
};

struct Integers512 : Tile512 {
  using W = __m512i;
  static W load(const std::byte* p) { return _mm512_loadu_si512(p); }
  static W input(const std::byte* p) {
    int32_t x;
    std::memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
  }
};

struct Bf16x32 : Integers512 {
  using Acc = __m512;
  static constexpr int kOps = 2 * 32;
  static Acc zero() { return _mm512_setzero_ps(); }
  static Acc step(Acc sum, W w, W x) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(x));
  }
  static void store(std::byte* p, Acc sum) { _mm512_storeu_ps(p, sum); }
};

struct Int8x64 : Integers512 {
  using Acc = __m512i;
  static constexpr int kOps = 2 * 64;
  static Acc zero() { return _mm512_setzero_si512(); }
  static Acc step(Acc sum, W w, W x) { return _mm512_dpbusd_epi32(sum, w, x); }
  static void store(std::byte* p, Acc sum) { _mm512_storeu_si512(p, sum); }
};

}  // namespace

RoofKernels avx512_roof() { return roof_kernels<Read512, F32x16, Bf16x32, Int8x64>("avx512"); }

}  // namespace gemma::cpu
