// SPDX-License-Identifier: Apache-2.0
#include "eval/summary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gemma {

void Mean::add(double x) {
  const double before = x - mean_;
  mean_ += before / static_cast<double>(++count_);
  squares_ += before * (x - mean_);
}

double Mean::error() const {
  if (count_ < 2) return 0;
  const auto n = static_cast<double>(count_);
  return std::sqrt(squares_ / (n - 1) / n);
}

double Mean::root_mean_square() const {
  return count_ == 0 ? 0 : std::sqrt(squares_ / static_cast<double>(count_) + mean_ * mean_);
}

double quantile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0;
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

void Summary::add(double token_nll, int n) {
  nll.add(token_nll);
  bytes += n;
}

void Summary::add(const RowComparison& c, int n) {
  nll.add(c.nll);
  bytes += n;
  reference_nll.add(c.reference_nll);
  nll_change.add(c.nll - c.reference_nll);
  probability_change.add(std::exp(-c.nll) - std::exp(-c.reference_nll));
  kl.add(c.kl);
  same_top.add(c.same_top ? 1 : 0);
  all_kl_.push_back(c.kl);
}

double Summary::perplexity(const Mean& nll) { return std::exp(nll.value()); }

double Summary::perplexity_error(const Mean& nll) { return perplexity(nll) * nll.error(); }

double Summary::bits_per_byte(const Mean& mean) const {
  return bytes == 0 ? 0
                    : mean.value() * static_cast<double>(mean.count()) / std::numbers::ln2 / static_cast<double>(bytes);
}

std::vector<double> Summary::sorted_kl() const {
  std::vector<double> sorted = all_kl_;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace gemma
