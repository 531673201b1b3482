// SPDX-License-Identifier: Apache-2.0
// The numbers against the definitions, written out in extended precision.
#include "eval/row_scores.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "eval/summary.h"

namespace gemma {
namespace {

using Real = long double;

std::vector<float> random_row(size_t n, unsigned seed, float spread) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> row(n);
  for (float& x : row) x = normal(random);
  return row;
}

std::vector<Real> probabilities(std::span<const float> logits) {
  std::vector<Real> p;
  Real sum = 0;
  for (float x : logits) p.push_back(std::exp(static_cast<Real>(x))), sum += p.back();
  for (Real& x : p) x /= sum;
  return p;
}

Real kl_of(const std::vector<Real>& p, const std::vector<Real>& q) {
  Real sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}

/** The best `kept` of p by p itself, and all others as one. */
std::vector<Real> lumped(const std::vector<Real>& p, const KeptLogits& kept) {
  std::vector<Real> out;
  std::vector<Real> others = p;
  for (int32_t id : kept.ids) out.push_back(std::exchange(others[static_cast<size_t>(id)], Real{0}));
  out.push_back(std::accumulate(others.begin(), others.end(), Real{0}));
  return out;
}

class Rows : public ::testing::TestWithParam<unsigned> {
 protected:
  const size_t n_ = 50 + GetParam() * 977 % 3000;
  const float spread_ = 1.0f + static_cast<float>(GetParam() % 5) * 2;
  std::vector<float> a_ = random_row(n_, 2 * GetParam(), spread_);
  std::vector<float> b_ = a_;
  const int32_t target_ = static_cast<int32_t>(GetParam() * 13 % n_);

  void SetUp() override {
    const std::vector<float> noise = random_row(n_, 2 * GetParam() + 1, 0.1f);
    for (size_t i = 0; i < n_; ++i) b_[i] += noise[i];
  }
};

TEST_P(Rows, NllAndKlAreTheirDefinitions) {
  const auto p = probabilities(a_), q = probabilities(b_);
  const RowComparison c = compare(b_, a_, target_);
  const auto at = static_cast<size_t>(target_);
  EXPECT_NEAR(c.nll, static_cast<double>(-std::log(q[at])), 1e-13);
  EXPECT_NEAR(c.reference_nll, static_cast<double>(-std::log(p[at])), 1e-13);
  EXPECT_NEAR(c.kl, static_cast<double>(kl_of(p, q)), 1e-14);
  EXPECT_EQ(nll_of(b_, target_), c.nll);
  EXPECT_EQ(c.same_top, std::ranges::max_element(p) - p.begin() == std::ranges::max_element(q) - q.begin());
  EXPECT_NEAR(compare(a_, a_, target_).kl, 0, 1e-15);
  EXPECT_TRUE(compare(a_, a_, target_).same_top);
}

TEST_P(Rows, KeptLogitsLumpTheRest) {
  const auto p = probabilities(a_), q = probabilities(b_);
  const double whole = compare(b_, a_, target_).kl;
  double last = -1;
  for (const int count : {1, 20, static_cast<int>(n_) - 1, static_cast<int>(n_), 5000}) {
    const KeptLogits kept = keep_best(a_, target_, count);
    ASSERT_EQ(kept.ids.size(), std::min<size_t>(static_cast<size_t>(count), n_));
    const RowComparison c = compare(b_, kept, target_);
    if (kept.ids.size() < n_) {
      EXPECT_NEAR(c.kl, static_cast<double>(kl_of(lumped(p, kept), lumped(q, kept))), 1e-12);
    }
    EXPECT_LE(c.kl, whole + 1e-12) << "a lower bound";
    EXPECT_GE(c.kl, last - 1e-12) << "closer the more are kept";
    last = c.kl;
    EXPECT_NEAR(c.nll, compare(b_, a_, target_).nll, 1e-13);
    EXPECT_NEAR(c.reference_nll, compare(b_, a_, target_).reference_nll, 1e-13);
    EXPECT_EQ(c.same_top, compare(b_, a_, target_).same_top);
  }
  EXPECT_NEAR(last, whole, 1e-12);
}

TEST_P(Rows, TheBestAreInOrder) {
  std::vector<float> row = a_;
  for (float& x : row) x = std::round(x);  // many ties, both zeros
  std::vector<int32_t> order(n_);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int32_t x, int32_t y) { return row[size_t(x)] > row[size_t(y)]; });
  const KeptLogits kept = keep_best(row, target_, 30);
  order.resize(30);
  EXPECT_EQ(kept.ids, order);
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(kept.values[i], row[static_cast<size_t>(order[i])]);
  EXPECT_EQ(kept.target_logit, row[static_cast<size_t>(target_)]);
  EXPECT_EQ(top_id(row), order[0]);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Rows, ::testing::Range(0u, 12u));

TEST(RowScores, ExtremesAreExact) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  const std::vector<float> far{1000, -1000, kNone, 999};
  EXPECT_NEAR(row_log_sum_exp(far), 1000 + std::log1p(std::exp(-1.0)), 1e-12);
  EXPECT_NEAR(compare(std::vector<float>{0, 0, 0, 0}, far, 0).kl,
              std::log(4) - (0.731058578630005 * 0.313261687518223 + 0.268941421369995 * 1.313261687518223), 1e-12);
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, inf}) {
    const std::vector<float> row{0, bad, 1}, good{0, 1, 2};
    EXPECT_FALSE(std::isfinite(nll_of(row, 0)));
    EXPECT_FALSE(std::isfinite(compare(row, good, 0).kl));
    EXPECT_FALSE(std::isfinite(compare(good, row, 0).kl));
  }
}

TEST(Summary, MeansErrorsQuantiles) {
  Mean mean;
  for (const double x : {3.0, 5.0, 7.0, 9.0}) mean.add(x);
  EXPECT_DOUBLE_EQ(mean.value(), 6);
  EXPECT_DOUBLE_EQ(mean.error(), std::sqrt(20.0 / 3 / 4));
  EXPECT_DOUBLE_EQ(mean.root_mean_square(), std::sqrt((9.0 + 25 + 49 + 81) / 4));
  EXPECT_EQ(Mean().error(), 0);
  const std::vector<double> sorted{1, 2, 4, 8, 16};
  EXPECT_EQ(quantile(sorted, 0), 1);
  EXPECT_EQ(quantile(sorted, 0.5), 4);
  EXPECT_EQ(quantile(sorted, 0.625), 6);
  EXPECT_EQ(quantile(sorted, 1), 16);
  EXPECT_EQ(quantile({}, 0.5), 0);
}

TEST(Summary, AddsUpComparisons) {
  Summary s;
  s.add({.nll = 2, .reference_nll = 1, .kl = 0.5, .same_top = true}, 3);
  s.add({.nll = 4, .reference_nll = 4, .kl = 0.25, .same_top = false}, 5);
  EXPECT_DOUBLE_EQ(s.nll.value(), 3);
  EXPECT_DOUBLE_EQ(Summary::perplexity(s.nll), std::exp(3.0));
  EXPECT_DOUBLE_EQ(Summary::perplexity_error(s.nll), std::exp(3.0) * 1.0);
  EXPECT_DOUBLE_EQ(s.bits_per_byte(s.nll), 6 / std::log(2.0) / 8);
  EXPECT_DOUBLE_EQ(s.nll_change.value(), 0.5);
  EXPECT_DOUBLE_EQ(s.probability_change.value(), (std::exp(-2.0) - std::exp(-1.0)) / 2);
  EXPECT_DOUBLE_EQ(s.same_top.value(), 0.5);
  EXPECT_THAT(s.sorted_kl(), ::testing::ElementsAre(0.25, 0.5));
}

}  // namespace
}  // namespace gemma
