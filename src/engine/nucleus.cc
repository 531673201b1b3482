// SPDX-License-Identifier: Apache-2.0
#include "engine/nucleus.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace gemma {
namespace {

constexpr int kBins = 2048;

/** Sorts the scores of a row into bins of equal width, the best first. The bins reach as far down as the nucleus can:
 *  n values that weigh exp(-reach) at most, against at least 1 of the best, have less than 1 - top_p together if
 *  reach = log(n / (1 - top_p)). One more makes up for rounding. */
class Bins {
 public:
  Bins(size_t n, float max, float temperature, float top_p)
      : max_(max), per_unit_(static_cast<float>(kBins / (std::log(n / (1.0 - top_p)) + 1)) / temperature) {}

  /** Beyond the last bin: kBins or more. */
  int of(float score) const {  // bits order like the numbers, and compilers make vector code of integers (scan.cc)
    const auto x = std::bit_cast<int32_t>((max_ - score) * per_unit_);
    return static_cast<int>(std::bit_cast<float>(std::min(x, std::bit_cast<int32_t>(2.0f * kBins))));
  }
  /** Those of a block. What is beyond goes to many places: an addition to a sum waits for the one before it. */
  void of(std::span<const float> block, std::array<int32_t, kScanBlock>& bins) const {
    for (size_t i = 0; i < block.size(); ++i) bins[i] = std::min(of(block[i]), kBins + static_cast<int32_t>(i));
  }

 private:
  float max_, per_unit_;
};

}  // namespace

size_t nucleus_size(std::span<const Scored> sorted, float temperature, float top_p) {
  const auto weight = [&](const Scored& each) {
    return std::exp((static_cast<double>(each.score) - static_cast<double>(sorted[0].score)) / temperature);
  };
  double total = 0, sum = 0;
  for (const Scored& each : sorted) total += weight(each);
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += weight(sorted[i]);
    if (sum >= top_p * total) return i + 1;
  }
  return sorted.size();
}

Scored nucleus_end(std::span<const float> scores, float max, float temperature, float top_p) {
  const Bins bins(scores.size(), max, temperature, top_p);
  std::array<double, kBins + kScanBlock> mass{};
  std::array<float, kScanBlock> weights;
  std::array<int32_t, kScanBlock> places{};
  double total = 0;
  for (size_t first = 0; first < scores.size(); first += kScanBlock) {
    const auto block = block_at(scores, first);
    total += static_cast<double>(exp_into(block, max, 1 / temperature, weights));
    if (bins.of(peak(block)) >= kBins) continue;
    bins.of(block, places);
    for (size_t i = 0; i < block.size(); ++i) mass[static_cast<size_t>(places[i])] += static_cast<double>(weights[i]);
  }
  const double goal = top_p * total;
  double sum = 0;
  int bin = 0;
  for (; bin < kBins && sum + mass[static_cast<size_t>(bin)] < goal; ++bin) sum += mass[static_cast<size_t>(bin)];
  static thread_local std::vector<Scored> inside;  // the bin in which the sum passes the goal
  inside.clear();
  for (size_t first = 0; first < scores.size(); first += kScanBlock) {
    const auto block = block_at(scores, first);
    if (bins.of(peak(block)) > bin) continue;
    bins.of(block, places);
    int32_t any = 0;
    for (const int32_t place : places) any |= place == bin;
    if (any == 0) continue;
    for (size_t i = 0; i < block.size(); ++i) {
      if (places[i] == bin) inside.push_back({static_cast<int32_t>(first + i), block[i]});
    }
  }
  std::sort(inside.begin(), inside.end(), [](const Scored& a, const Scored& b) { return a.before(b); });
  for (const Scored& each : inside) {
    exp_into({&each.score, 1}, max, 1 / temperature, weights);
    sum += static_cast<double>(weights[0]);
    if (sum >= goal) return each;
  }
  return inside.empty() ? Scored{std::numeric_limits<int32_t>::max(), std::numeric_limits<float>::lowest()}
                        : inside.back();
}

}  // namespace gemma
