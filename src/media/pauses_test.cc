// SPDX-License-Identifier: Apache-2.0
#include "media/pauses.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "media/sound.h"

namespace gemma::media {
namespace {

constexpr int64_t kMost = 30 * kSoundRate;

/** Noise of the given loudness, with quiet from `begin` to `end` seconds for each of `pauses`. */
std::vector<float> noise(double seconds, std::initializer_list<std::pair<double, double>> pauses, float quiet = 0) {
  std::vector<float> samples(static_cast<size_t>(seconds * kSoundRate));
  for (size_t i = 0; i < samples.size(); ++i) {
    const double at = static_cast<double>(i) / kSoundRate;
    float loud = 0.3f;
    for (const auto& [begin, end] : pauses) loud = at >= begin && at < end ? quiet : loud;
    samples[i] = loud * static_cast<float>(2 * keyed_uniform(1, i) - 1);
  }
  return samples;
}

/** Nothing is left out, nothing is longer than it may be, and pieces touch or overlap by a second. */
void check(const std::vector<PausePiece>& pieces, int64_t total, int64_t most) {
  ASSERT_FALSE(pieces.empty());
  EXPECT_EQ(pieces.front().begin, 0);
  EXPECT_EQ(pieces.back().end, total);
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_LE(pieces[i].end - pieces[i].begin, most) << i;
    EXPECT_GT(pieces[i].end, pieces[i].begin) << i;
    if (i > 0) {
      EXPECT_EQ(pieces[i - 1].end - pieces[i].begin, pieces[i].overlaps ? kSoundRate : 0) << i;
    }
  }
}

TEST(Pauses, ShortSoundStaysWhole) {
  for (const double seconds : {0.0, 0.01, 5.0, 30.0}) {
    const auto samples = noise(seconds, {});
    const auto pieces = cut_at_pauses(samples, kMost);
    ASSERT_EQ(pieces.size(), 1U);
    EXPECT_EQ(pieces[0].end, std::ssize(samples));
  }
}

TEST(Pauses, CutsInThem) {
  const auto samples = noise(70, {{18, 18.5}, {24, 24.4}, {47, 48}});
  const auto pieces = cut_at_pauses(samples, kMost);
  check(pieces, std::ssize(samples), kMost);
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_FALSE(pieces[1].overlaps || pieces[2].overlaps);
  EXPECT_NEAR(static_cast<double>(pieces[1].begin) / kSoundRate, 24.2, 0.25);  // nearer to a third of it
  EXPECT_NEAR(static_cast<double>(pieces[2].begin) / kSoundRate, 47.5, 0.6);
}

TEST(Pauses, OverlapsWhereThereIsNone) {
  const auto samples = noise(100, {});
  const auto pieces = cut_at_pauses(samples, kMost);
  check(pieces, std::ssize(samples), kMost);
  for (size_t i = 1; i < pieces.size(); ++i) EXPECT_TRUE(pieces[i].overlaps);
}

TEST(Pauses, ALittleQuieterIsNoPauseAndStillTheBestPlace) {
  const auto samples = noise(50, {{22, 22.6}}, 0.15f);
  const auto pieces = cut_at_pauses(samples, kMost);
  check(pieces, std::ssize(samples), kMost);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_TRUE(pieces[1].overlaps);
  EXPECT_NEAR(static_cast<double>(pieces[1].begin) / kSoundRate, 21.8, 0.3);
}

TEST(Pauses, AnyLengthAnyLimit) {
  for (const double limit : {2.0, 3.3, 10.0, 30.0}) {
    for (double seconds = limit; seconds < 4 * limit; seconds += limit * 0.37) {
      const auto samples = noise(seconds, {{seconds / 3, seconds / 3 + 0.3}, {seconds / 2, seconds / 2 + 0.1}});
      const auto most = static_cast<int64_t>(limit * kSoundRate);
      check(cut_at_pauses(samples, most), std::ssize(samples), most);
    }
  }
  const std::vector<float> silence(static_cast<size_t>(3 * kMost));
  check(cut_at_pauses(silence, kMost), 3 * kMost, kMost);
}

TEST(Pauses, WhatIsHeard) {
  const auto samples = noise(10, {{0, 2}, {7, 10}});
  const Heard heard = heard_part(samples);
  EXPECT_NEAR(static_cast<double>(heard.begin), 2 * kSoundRate, 320);
  EXPECT_NEAR(static_cast<double>(heard.end), 7 * kSoundRate, 320);
  const std::vector<float> silence(16000);
  EXPECT_EQ(heard_part(silence).end, 0);
  EXPECT_EQ(heard_part({}).end, 0);
}

}  // namespace
}  // namespace gemma::media
