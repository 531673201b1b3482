// SPDX-License-Identifier: Apache-2.0
#include "cpu/lloyd_max.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/error.h"

namespace gemma::cpu {
namespace {

/** The density on (0, end), as sums over a fine grid: both halves are alike. */
class Density {
 public:
  explicit Density(int64_t dim) {
    const double d = std::max(2.0, static_cast<double>(dim));
    end_ = std::min(1.0, 10.0 / std::sqrt(d));
    double mass = 0, moment = 0;
    for (size_t i = 0; i < kCells; ++i) {
      const double t = end_ * (static_cast<double>(i) + 0.5) / kCells;
      const double weight = std::exp((d - 3) / 2 * std::log1p(-t * t));
      mass_[i + 1] = mass += weight;
      moment_[i + 1] = moment += weight * t;
    }
  }
  double end() const { return end_; }
  double mass(double from, double to) const { return at(mass_, to) - at(mass_, from); }
  double mean(double from, double to) const {
    const double m = mass(from, to);
    return m > 0 ? (at(moment_, to) - at(moment_, from)) / m : (from + to) / 2;
  }

 private:
  static constexpr size_t kCells = 1 << 15;
  double at(const std::vector<double>& sums, double t) const {
    const double place = std::clamp(t / end_, 0.0, 1.0) * kCells;
    const auto cell = std::min(static_cast<size_t>(place), kCells - 1);
    return std::lerp(sums[cell], sums[cell + 1], place - static_cast<double>(cell));
  }
  double end_ = 1;
  std::vector<double> mass_ = std::vector<double>(kCells + 1), moment_ = mass_;
};

/** The border between level i and the next. */
double border(const std::vector<double>& levels, size_t i, double end) {
  return i + 1 < levels.size() ? (levels[i] + levels[i + 1]) / 2 : end;
}

}  // namespace

std::vector<double> lloyd_max(int bits, int64_t dim) {
  GEMMA_CHECK(bits >= 1 && bits <= 6 && dim > 0, "up to 64 levels");
  const Density density(dim);
  std::vector<double> levels(size_t{1} << (bits - 1));
  const double spread = std::min(density.end(), 3.0 / std::sqrt(static_cast<double>(dim)));
  for (size_t i = 0; i < levels.size(); ++i) {
    levels[i] = spread * (static_cast<double>(i) + 0.5) / static_cast<double>(levels.size());
  }
  constexpr int kMostRounds = 5000;
  for (int round = 0; round < kMostRounds; ++round) {
    double moved = 0, from = 0;
    std::vector<double> next(levels.size());
    for (size_t i = 0; i < levels.size(); ++i) {
      const double to = border(levels, i, density.end());
      next[i] = density.mean(from, to);
      moved = std::max(moved, std::abs(next[i] - levels[i]));
      from = to;
    }
    levels = next;
    if (moved < 1e-12) break;
  }
  return levels;
}

LevelBytes level_bytes(int bits, int64_t dim) {
  const std::vector<double> levels = lloyd_max(bits, dim);
  const Density density(dim);
  LevelBytes best;
  std::vector<double> rounded(levels.size());
  double least = std::numeric_limits<double>::infinity();
  for (double top = 127; top >= 96; top -= 0.125) {  // the largest level as a byte, or nearly
    const double unit = levels.back() / top;
    double error = 0, from = 0;
    for (size_t i = 0; i < levels.size(); ++i) {
      const double to = border(levels, i, density.end()), off = levels[i] - unit * std::round(levels[i] / unit);
      error += density.mass(from, to) * off * off;
      from = to;
    }
    if (error >= least) continue;
    least = error;
    best.unit = unit;
    for (size_t i = 0; i < levels.size(); ++i) rounded[i] = std::round(levels[i] / unit);
  }
  std::vector<double> all;
  for (size_t i = levels.size(); i-- > 0;) all.push_back(-rounded[i]);
  all.insert(all.end(), rounded.begin(), rounded.end());
  for (size_t i = 0; i < all.size(); ++i) {
    best.bytes[i] = static_cast<uint8_t>(128 + all[i]);
    if (i > 0) best.thresholds.push_back(static_cast<float>(best.unit * (all[i - 1] + all[i]) / 2));
  }
  return best;
}

}  // namespace gemma::cpu
