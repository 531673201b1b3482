// SPDX-License-Identifier: Apache-2.0
// Roofs of plain C++ on the baseline instruction set: what the compiler makes of loops over four values.
#include <cstring>

#include "cpu/kernels/generic_roof.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));
typedef uint64_t TwoWords __attribute__((vector_size(16)));

template <class T>
T at(const std::byte* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

struct ReadScalar {
  using Sum = TwoWords;
  static constexpr int kBytes = 64;
  static constexpr PrefetchDistance kPrefetch = cpu::kPrefetch;
  static Sum zero() { return Sum{}; }
  static Sum add(Sum s, const std::byte* p) {
    return s + at<TwoWords>(p) + at<TwoWords>(p + 16) + at<TwoWords>(p + 32) + at<TwoWords>(p + 48);
  }
  static uint64_t total(Sum s) { return s[0] + s[1]; }
};

struct TileScalar {
  static constexpr int kWeights = 3, kInputs = 3;
  template <class T>
  static void put(std::byte* p, T sum) {
    std::memcpy(p, &sum, sizeof sum);
  }
};

struct F32x4 : TileScalar {
  using Acc = Four;
  using W = Four;
  static constexpr int kBytes = 16, kOps = 2 * 4;
  static Acc zero() { return Acc{}; }
  static W load(const std::byte* p) { return at<Four>(p); }
  static W input(const std::byte* p) { return Four{} + at<float>(p); }
  static Acc step(Acc sum, W w, W x) { return sum + w * x; }
  static void store(std::byte* p, Acc sum) { put(p, sum); }
};

struct Bf16x4 : TileScalar {
  using Acc = Four;
  using W = Four;
  static constexpr int kBytes = 8, kOps = 2 * 4;
  static Acc zero() { return Acc{}; }
  static W load(const std::byte* p) {
    const FourInts wide = FourInts{at<uint16_t>(p), at<uint16_t>(p + 2), at<uint16_t>(p + 4), at<uint16_t>(p + 6)}
                          << 16;
    return reinterpret_cast<Four>(wide);
  }
  static W input(const std::byte* p) { return reinterpret_cast<Four>((FourInts{} + at<uint16_t>(p)) << 16); }
  static Acc step(Acc sum, W w, W x) { return sum + w * x; }
  static void store(std::byte* p, Acc sum) { put(p, sum); }
};

struct Int8x1 : TileScalar {
  using Acc = int32_t;
  using W = int32_t;
  static constexpr int kBytes = 1, kOps = 2;
  static Acc zero() { return 0; }
  static W load(const std::byte* p) { return at<int8_t>(p); }
  static W input(const std::byte* p) { return at<int8_t>(p); }
  static Acc step(Acc sum, W w, W x) {
    return static_cast<Acc>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(w * x));
  }
  static void store(std::byte* p, Acc sum) { put(p, sum); }
};

}  // namespace

RoofKernels scalar_roof() { return roof_kernels<ReadScalar, F32x4, Bf16x4, Int8x1>("scalar"); }

}  // namespace gemma::cpu
