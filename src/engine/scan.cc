// SPDX-License-Identifier: Apache-2.0
#include "engine/scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace gemma {
namespace {

constexpr size_t kLanes = 16;
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

}  // namespace

float largest(std::span<const float> values) {
  std::array<float, kLanes> max;
  std::array<int32_t, kLanes> bad{};
  max.fill(-kInfinity);
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const float x = values[i + j];
      max[j] = x > max[j] ? x : max[j];
      bad[j] |= !(x <= std::numeric_limits<float>::max());
    }
  }
  for (; i < values.size(); ++i) {
    max[0] = std::max(max[0], values[i]);
    bad[0] |= !(values[i] <= std::numeric_limits<float>::max());
  }
  if (std::any_of(bad.begin(), bad.end(), [](int32_t b) { return b != 0; })) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  return *std::max_element(max.begin(), max.end());
}

double sum_of_exp(std::span<const float> values, float shift, float factor) {
  constexpr size_t kBlock = 512;  // summed in f32 by lane, blocks in f64
  std::array<float, kBlock> terms;
  double total = 0;
  for (size_t first = 0; first < values.size(); first += kBlock) {
    const size_t n = std::min(kBlock, values.size() - first);
    exp_into(values.subspan(first, n), shift, factor, terms);
    std::fill(terms.begin() + static_cast<std::ptrdiff_t>(n), terms.end(), 0.0f);
    std::array<float, kLanes> sum{};
    for (size_t i = 0; i < kBlock; i += kLanes) {
      for (size_t j = 0; j < kLanes; ++j) sum[j] += terms[i + j];
    }
    for (float lane : sum) total += static_cast<double>(lane);
  }
  return total;
}

void exp_into(std::span<const float> values, float shift, float factor, std::span<float> out) {
  for (size_t i = 0; i < values.size(); ++i) out[i] = exp_of_minus((shift - values[i]) * factor);
}

std::vector<Scored> best(std::span<const float> values, int k) {
  constexpr size_t kBlock = 64;
  const auto before = [](const Scored& a, const Scored& b) { return a.before(b); };
  std::vector<Scored> heap;  // the worst of the best on top
  if (k <= 0) return heap;
  heap.reserve(static_cast<size_t>(k) + 1);
  float least = -kInfinity;  // what a value must exceed; an equal one has a higher id than all in the heap
  for (size_t first = 0; first < values.size(); first += kBlock) {
    const size_t end = std::min(values.size(), first + kBlock);
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
  return heap;
}

}  // namespace gemma
