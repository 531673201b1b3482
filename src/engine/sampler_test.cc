// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/random.h"

namespace gemma {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::FloatNear;

std::vector<float> random_logits(int n, unsigned seed, float spread = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(static_cast<size_t>(n));
  for (float& x : logits) x = normal(random);
  return logits;
}

/** The distribution that the settings describe, the plain way. */
std::vector<double> exact(std::span<const float> logits, const Sampling& s, std::span<const int32_t> never = {}) {
  std::vector<double> x(logits.begin(), logits.end());
  for (int32_t id : never) x[static_cast<size_t>(id)] = -std::numeric_limits<double>::infinity();
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
  if (s.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(s.top_k)));
  std::vector<double> p(x.size(), 0);
  double total = 0;
  for (size_t id : order) total += p[id] = std::exp((x[id] - x[order[0]]) / double{s.temperature});
  double sum = 0;
  for (size_t id : order) {
    if (sum >= double{s.top_p} * total && s.top_p < 1) p[id] = 0;
    sum += p[id];
    if (p[id] < double{s.min_p} * p[order[0]]) p[id] = 0;
  }
  total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& each : p) each /= total;
  return p;
}

/** The upper 1e-6 quantile of the chi-square distribution (Wilson and Hilferty 1931), which a right sampler passes by
 *  mistake once in a million. */
double chi_square_limit(int degrees) {
  const double n = degrees, z = 4.7534;
  return n * std::pow(1 - 2 / (9 * n) + z * std::sqrt(2 / (9 * n)), 3);
}

void expect_distribution(const std::vector<float>& logits, const Sampling& settings) {
  constexpr int kDraws = 8000;
  const std::vector<int32_t> never{3};
  const std::vector<double> p = exact(logits, settings, never);
  std::vector<int> count(logits.size(), 0);
  Sampling s = settings;
  for (int i = 0; i < kDraws; ++i) {
    s.seed = 1000 + static_cast<uint64_t>(i % 7);  // several seeds, many positions
    ++count[static_cast<size_t>(sample(logits, s, {}, {never, {}}, i).token)];
  }
  double chi = 0, rest_expected = 0, rest = 0;
  int cells = 0;
  for (size_t id = 0; id < p.size(); ++id) {
    const double expected = p[id] * kDraws;
    if (expected == 0) {
      EXPECT_EQ(count[id], 0) << id;
    }
    if (expected < 5) {
      rest_expected += expected;
      rest += count[id];
      continue;
    }
    chi += (count[id] - expected) * (count[id] - expected) / expected;
    ++cells;
  }
  if (rest_expected >= 5) {
    chi += (rest - rest_expected) * (rest - rest_expected) / rest_expected;
    ++cells;
  }
  EXPECT_LT(chi, chi_square_limit(std::max(1, cells - 1))) << cells << " cells";
}

TEST(Sampler, DrawsFollowTheExactDistribution) {
  const std::vector<float> logits = random_logits(200, 4, 2);
  for (const Sampling& s : std::vector<Sampling>{{.temperature = 1, .top_k = 64, .top_p = 0.95f},
                                                 {.temperature = 1, .top_k = 0, .top_p = 1},
                                                 {.temperature = 0.7f, .top_k = 0, .top_p = 0.8f},
                                                 {.temperature = 1.5f, .top_k = 10, .top_p = 1},
                                                 {.temperature = 1.3f, .top_k = 0, .top_p = 1, .min_p = 0.1f},
                                                 {.temperature = 0.9f, .top_k = 50, .top_p = 0.9f, .min_p = 0.05f}}) {
    SCOPED_TRACE(testing::Message() << s.temperature << ' ' << s.top_k << ' ' << s.top_p << ' ' << s.min_p);
    expect_distribution(logits, s);
  }
}

TEST(Sampler, TheSameKeyGivesTheSameToken) {
  const std::vector<float> logits = random_logits(500, 1);
  Sampling s;
  int changed = 0;
  for (int position = 0; position < 50; ++position) {
    s.seed = 5;
    const int32_t token = sample(logits, s, {}, {}, position).token;
    EXPECT_EQ(sample(logits, s, {}, {}, position).token, token);
    s.seed = 6;
    changed += sample(logits, s, {}, {}, position).token != token;
  }
  EXPECT_GT(changed, 10);
}

/** What is kept after filters decides, not how it is found: a top_k that leaves all in draws as no top_k does. */
TEST(Sampler, BothWaysOfSearchingAgree) {
  const std::vector<float> logits = random_logits(3000, 8, 1);
  for (int position = 0; position < 100; ++position) {
    Sampling few{.temperature = 1.2f, .top_k = 2999, .top_p = 0.97f, .seed = 3};
    Sampling all = few;
    all.top_k = 0;
    EXPECT_EQ(sample(logits, few, {}, {}, position).token, sample(logits, all, {}, {}, position).token);
  }
}

/** Blocks and words that cannot win are passed over: the winner is that of looking at each. */
TEST(Sampler, TheWinnerIsTheBestOfAll) {
  for (const float spread : {0.0f, 0.5f, 3.0f, 30.0f}) {
    const std::vector<float> logits = random_logits(4133, 5, spread);  // the last block is not full
    for (const float temperature : {0.01f, 1.0f, 50.0f}) {
      for (int position = 0; position < 20; ++position) {
        int32_t winner = -1;
        double best = -std::numeric_limits<double>::infinity();
        for (size_t id = 0; id < logits.size(); ++id) {
          const double u = keyed_uniform(7, static_cast<uint64_t>(position), id);
          const double value = static_cast<double>(logits[id]) / temperature - std::log(-std::log(u));
          if (value > best) best = value, winner = static_cast<int32_t>(id);
        }
        const Sampling s{.temperature = temperature, .top_k = 0, .top_p = 1, .seed = 7};
        EXPECT_EQ(sample(logits, s, {}, {}, position).token, winner) << spread << ' ' << temperature;
      }
    }
  }
}

TEST(Sampler, GreedyTakesTheBestAndTheLowerOfEquals) {
  const std::vector<float> logits{1, 5, -2, 5, 4};
  const Sampling greedy{.temperature = 0};
  EXPECT_EQ(sample(logits, greedy, {}, {}, 0).token, 1);
  const std::vector<int32_t> never{1};
  EXPECT_EQ(sample(logits, greedy, {}, {never, {}}, 0).token, 3);
  EXPECT_EQ(sample(logits, {.temperature = 1, .top_k = 1}, {}, {}, 0).token, 1);
}

TEST(Sampler, MasksDecideWhatMayCome) {
  const std::vector<float> logits = random_logits(70, 2);
  std::vector<uint32_t> bits(3, 0);
  bits[2] = 1u << 3;
  EXPECT_EQ(sample(logits, {}, {}, {{}, bits}, 0).token, 67);
  EXPECT_EQ(sample(logits, {.temperature = 0}, {}, {{}, bits}, 0).token, 67);
  EXPECT_EQ(sample(logits, {.top_k = 0, .top_p = 1}, {}, {{}, bits}, 0).token, 67);
  const std::vector<int32_t> never{67};
  for (const Sampling& s : {Sampling{}, Sampling{.temperature = 0}, Sampling{.top_k = 0, .top_p = 0.5f}}) {
    EXPECT_EQ(sample(logits, s, {}, {never, bits}, 0).token, -1);
  }
}

TEST(Sampler, LogProbabilitiesAreOfTheRawLogits) {
  const std::vector<float> logits{1, 2, 3, 2.5f, -1};
  double total = 0;
  for (float x : logits) total += std::exp(static_cast<double>(x));
  const auto logprob = [&](int id) { return static_cast<float>(logits[static_cast<size_t>(id)] - std::log(total)); };
  const std::vector<int32_t> never{2};
  const Choice c = sample(logits, {.temperature = 0, .bias = {{0, 50.0f}}}, {}, {never, {}}, 0, 3);
  EXPECT_EQ(c.token, 0);
  EXPECT_THAT(c.logprob, FloatNear(logprob(0), 1e-6f));
  ASSERT_EQ(c.top.size(), 3u);
  EXPECT_EQ(c.top[0].token, 2);  // may not come, but is what the model holds likeliest
  EXPECT_THAT(c.top[0].logprob, FloatNear(logprob(2), 1e-6f));
  EXPECT_EQ(c.top[1].token, 3);
  EXPECT_EQ(c.top[2].token, 1);
  EXPECT_EQ(likelihood(logits, 0, 3), (Likelihood{c.logprob, c.top}));
  EXPECT_TRUE(std::isnan(likelihood(std::vector<float>{1, NAN}, 0, 3).logprob));
  const Choice alone = sample(logits, {.temperature = 0}, {}, {}, 0, 0);
  EXPECT_THAT(alone.logprob, FloatNear(logprob(2), 1e-6f));
  EXPECT_TRUE(alone.top.empty());
  const Choice unasked = sample(logits, {.temperature = 0}, {}, {}, 0);
  EXPECT_EQ(unasked.token, 2);
  EXPECT_EQ(unasked.logprob, 0);
}

TEST(Sampler, LogSumExpOfALongRow) {
  const std::vector<float> logits = random_logits(262144, 3, 4);
  double total = 0;
  for (float x : logits) total += std::exp(static_cast<double>(x));
  EXPECT_NEAR(log_sum_exp(logits), std::log(total), 1e-6);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{-2e4f, -3e4f}), -2e4, 1e-6);
}

TEST(Sampler, PenaltiesAndBias) {
  const std::vector<float> logits{4, -1, 3.5f, -1.2f};
  const std::vector<int32_t> history{0, 0, 1};
  const auto greedy = [&](Sampling s) { return s.temperature = 0, sample(logits, s, history, {}, 0).token; };
  EXPECT_EQ(greedy({.repetition_penalty = 1.1f}), 0);  // 4 / 1.1 > 3.5
  EXPECT_EQ(greedy({.repetition_penalty = 1.2f}), 2);
  EXPECT_EQ(greedy({.presence_penalty = 0.4f}), 0);
  EXPECT_EQ(greedy({.presence_penalty = 0.6f}), 2);
  EXPECT_EQ(greedy({.frequency_penalty = 0.3f}), 2);  // twice
  EXPECT_EQ(greedy({.bias = {{3, 6.0f}}}), 3);
  EXPECT_EQ(greedy({.repetition_penalty = 1.3f, .bias = {{0, -9.0f}, {2, -9.0f}}}), 3);  // -1 * 1.3 < -1.2
}

TEST(Sampler, NoTokenComesFromBadLogits) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  std::vector<float> logits = random_logits(100, 1);
  for (float bad : {nan, infinity}) {
    for (size_t at : {0u, 50u, 99u}) {
      std::vector<float> x = logits;
      x[at] = bad;
      EXPECT_EQ(sample(x, {}, {}, {}, 0).token, -1);
    }
  }
  EXPECT_EQ(sample(std::vector<float>(10, -infinity), {}, {}, {}, 0).token, -1);
  logits[5] = -infinity;  // one that cannot come is no fault
  EXPECT_GE(sample(logits, {}, {}, {}, 0).token, 0);
}

TEST(Sampler, ExtremeSettingsHaveAnAnswer) {
  const std::vector<float> logits{-1e4f, 30, 29.9f, 1e4f, -3};
  for (float temperature : {1e-20f, 1e-6f, 1e-3f, 1e4f}) {
    for (int top_k : {0, 1, 3, 5, 1000}) {
      for (float top_p : {1e-9f, 0.5f, 1.0f}) {
        const Sampling s{.temperature = temperature, .top_k = top_k, .top_p = top_p};
        const int32_t token = sample(logits, s, {}, {}, 1).token;
        EXPECT_GE(token, 0);
        if (temperature < 1 || top_p < 1e-3f) {
          EXPECT_EQ(token, 3);
        }
      }
    }
  }
  const std::vector<float> equal(1000, 2.0f);
  EXPECT_LT(sample(equal, {.top_k = 0, .top_p = 0.01f}, {}, {}, 9).token, 10);  // the lowest ids come first
}

TEST(Sampler, SettingsOutOfRangeAreNamed) {
  EXPECT_FALSE(problem_with({}, 10));
  EXPECT_EQ(problem_with({.temperature = -1}, 10)->field, "temperature");
  EXPECT_EQ(problem_with({.temperature = std::nanf("")}, 10)->field, "temperature");
  EXPECT_EQ(problem_with({.top_k = -1}, 10)->field, "top_k");
  EXPECT_EQ(problem_with({.top_p = 0}, 10)->field, "top_p");
  EXPECT_EQ(problem_with({.top_p = 1.5f}, 10)->field, "top_p");
  EXPECT_EQ(problem_with({.min_p = -0.1f}, 10)->field, "min_p");
  EXPECT_EQ(problem_with({.repetition_penalty = 0}, 10)->field, "repetition_penalty");
  EXPECT_EQ(problem_with({.bias = {{10, 1.0f}}}, 10)->message(), "bias: token 10: the vocabulary has 10");
}

}  // namespace
}  // namespace gemma
