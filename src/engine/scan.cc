// SPDX-License-Identifier: Apache-2.0
#include "engine/scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <limits>
#include <numeric>

namespace gemma {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/** exp(-x) for x >= 0: 2^-n * 2^f with |f| <= 1/2 and a polynomial for 2^f (Taylor to degree 6: relative error 1e-7).
 *  Beyond 2^-126 it is as good as 0. The clamp compares bits, which order like the numbers: a comparison of floats
 *  could trap, and that keeps compilers from vector code. */
inline float exp_of_minus(float x) {
  constexpr float kLog2E = 1.44269504f, kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float y = std::bit_cast<float>(std::min(std::bit_cast<int32_t>(x * kLog2E), std::bit_cast<int32_t>(126.0f)));
  const float shifted = y + kRound;
  const float f = (shifted - kRound) - y;
  float p = 1.540353e-4f;
  p = p * f + 1.333356e-3f;
  p = p * f + 9.618129e-3f;
  p = p * f + 5.550411e-2f;
  p = p * f + 2.402265e-1f;
  p = p * f + 6.931472e-1f;
  p = p * f + 1.0f;
  const uint32_t n = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRound);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(p) - (n << 23));
}

/** All of x[0..N) joined, halves with each other: that is vector code, as a chain of joins is not. */
template <size_t N, typename Join>
float fold(const float* x, Join join) {
  if constexpr (N == 1) {
    return x[0];
  } else {
    std::array<float, N / 2> half;
    for (size_t i = 0; i < N / 2; ++i) half[i] = join(x[i], x[i + N / 2]);
    return fold<N / 2>(half.data(), join);
  }
}

float greater(float a, float b) { return a > b ? a : b; }

}  // namespace

float peak(std::span<const float> block) {
  if (block.size() == kScanBlock) return fold<kScanBlock>(block.data(), greater);
  return std::accumulate(block.begin(), block.end(), -kInfinity, greater);
}

float largest(std::span<const float> values) {
  float max = -kInfinity;
  int32_t bad = 0;
  for (size_t first = 0; first < values.size(); first += kScanBlock) {
    const auto block = block_at(values, first);
    for (float x : block) bad |= !(x <= std::numeric_limits<float>::max());
    max = std::max(max, peak(block));
  }
  return bad != 0 ? std::numeric_limits<float>::quiet_NaN() : max;
}

float exp_into(std::span<const float> block, float shift, float factor, std::span<float, kScanBlock> out) {
  for (size_t i = 0; i < block.size(); ++i) out[i] = exp_of_minus((shift - block[i]) * factor);
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(block.size()), out.end(), 0.0f);
  return fold<kScanBlock>(out.data(), std::plus<float>());
}

double sum_of_exp(std::span<const float> values, float shift, float factor) {
  std::array<float, kScanBlock> terms;
  double total = 0;  // of sums of blocks in f32
  for (size_t first = 0; first < values.size(); first += kScanBlock) {
    total += static_cast<double>(exp_into(block_at(values, first), shift, factor, terms));
  }
  return total;
}

void best(std::span<const float> values, int k, std::vector<Scored>& out) {
  const auto before = [](const Scored& a, const Scored& b) { return a.before(b); };
  std::vector<Scored>& heap = out;  // the worst of the best on top
  heap.clear();
  if (k <= 0) return;
  heap.reserve(static_cast<size_t>(k) + 1);
  float least = -kInfinity;  // what a value must exceed; an equal one has a higher id than all in the heap
  for (size_t first = 0; first < values.size(); first += kScanBlock) {
    const size_t end = std::min(values.size(), first + kScanBlock);
    int32_t any = 0;
    for (size_t i = first; i < end; ++i) any |= values[i] > least;
    if (any == 0) continue;
    for (size_t i = first; i < end; ++i) {
      if (!(values[i] > least)) continue;
      heap.push_back({static_cast<int32_t>(i), values[i]});
      std::push_heap(heap.begin(), heap.end(), before);
      if (heap.size() > static_cast<size_t>(k)) {
        std::pop_heap(heap.begin(), heap.end(), before);
        heap.pop_back();
      }
      if (heap.size() == static_cast<size_t>(k)) least = heap.front().score;
    }
  }
  std::sort_heap(heap.begin(), heap.end(), before);
}

}  // namespace gemma
