// SPDX-License-Identifier: Apache-2.0
#include "engine/nucleus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace gemma {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::vector<Scored> sorted(const std::vector<float>& scores) {
  std::vector<Scored> all;
  for (size_t i = 0; i < scores.size(); ++i) all.push_back({static_cast<int32_t>(i), scores[i]});
  std::sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) { return a.before(b); });
  return all;
}

/** The mass up to `end` reaches top_p and that before it does not, but for the rounding of weights to f32. */
void expect_end(const std::vector<float>& scores, float temperature, float top_p) {
  SCOPED_TRACE(testing::Message() << scores.size() << " scores, " << temperature << ", " << top_p);
  constexpr double kRounding = 1e-6;
  const std::vector<Scored> all = sorted(scores);
  const Scored end = nucleus_end(scores, all[0].score, temperature, top_p);
  double before = 0, with = 0, total = 0;
  for (const Scored& each : all) {
    const double weight = std::exp((double{each.score} - double{all[0].score}) / double{temperature});
    total += weight;
    if (each.before(end)) before += weight;
    if (!end.before(each)) with += weight;
  }
  EXPECT_LE(before, top_p * total + kRounding * total);
  EXPECT_GE(with, top_p * total - kRounding * total);
  if (top_p < 0.9999f) {
    EXPECT_EQ(scores.at(static_cast<size_t>(end.id)), end.score);
  }
}

TEST(Nucleus, EndsWhereTheMassIsReached) {
  std::mt19937 random(3);
  for (const size_t n : {1, 2, 63, 64, 65, 200, 30000}) {
    for (const float spread : {0.0f, 0.2f, 3.0f, 100.0f}) {
      std::normal_distribution<float> normal(-5, std::max(spread, 1e-6f));
      std::vector<float> scores(n);
      for (float& x : scores) x = spread == 0 ? 1.5f : normal(random);
      for (const float temperature : {1e-3f, 0.7f, 1.0f, 20.0f}) {
        for (const float top_p : {1e-9f, 0.3f, 0.95f, 0.9999f, 0.99999994f}) expect_end(scores, temperature, top_p);
      }
    }
  }
}

TEST(Nucleus, ScoresThatMayNotComeWeighNothing) {
  std::vector<float> scores(300, kNever);
  scores[70] = 2;
  scores[299] = scores[71] = 1;
  EXPECT_EQ(nucleus_end(scores, 2, 1, 0.5f).id, 70);  // 0.58, 0.21, 0.21
  EXPECT_EQ(nucleus_end(scores, 2, 1, 0.7f).id, 71);
  EXPECT_EQ(nucleus_end(scores, 2, 1, 0.9f).id, 299);
}

TEST(Nucleus, SizeOfAFew) {
  const std::vector<Scored> few{{5, 2.0f}, {1, 1.0f}, {2, 1.0f}};
  EXPECT_EQ(nucleus_size(few, 1, 0.5f), 1u);
  EXPECT_EQ(nucleus_size(few, 1, 0.7f), 2u);
  EXPECT_EQ(nucleus_size(few, 1, 0.9f), 3u);
  EXPECT_EQ(nucleus_size(few, 0.01f, 0.9f), 1u);
}

}  // namespace
}  // namespace gemma
