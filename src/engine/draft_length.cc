// SPDX-License-Identifier: Apache-2.0
#include "engine/draft_length.h"

#include <algorithm>

namespace gemma {
namespace {

// Looked up: a little less than what was right in licences, documentation, C++, Python, Perl and JSON, 21 000 tokens
// together: 0.37, 0.44, 0.58, 0.67, 0.84, 0.92. Drafted: not known; something that is soon corrected.
constexpr std::array<double, GuessOdds::kGrades> kPrejudice{0.25, 0.35, 0.45, 0.6, 0.75, 0.9, 0.6, 0.5, 0.4, 0.3};
constexpr double kPrejudiceWeight = 3;  // guesses
constexpr double kMemory = 0.9;         // weight of what is one guess older
constexpr double kReturn = 0.99;        // a step without a try

constexpr double kRowShare = 0.04;    // of a step: what a row more is taken to cost until it is measured
constexpr double kRowMemory = 0.9;    // weight of what a row more cost before
constexpr double kRowReturn = 0.999;  // a step without guesses
constexpr double kStepMemory = 0.8;   // weight of the steps before, once there are some
constexpr double kStepReturn = 0.99;  // weight of a number of rows after a step of another number
constexpr double kKnown = 0.5;        // weight below which a number of rows has to be measured again
constexpr double kLeastGain = 1.03;   // smaller ones may be errors of measurement
constexpr double kLikely = 0.5;

constexpr double kStake = 0.3;      // steps that may be lost at first
constexpr double kMostLoss = 0.01;  // of all steps
constexpr double kMostGain = 10;    // steps that are remembered: what was won is not all lost again

}  // namespace

int GuessOdds::lookup_grade(int match_length) {
  constexpr std::array<int, kLookupGrades - 1> kEnds{2, 3, 4, 8, 16};
  return static_cast<int>(std::lower_bound(kEnds.begin(), kEnds.end(), match_length) - kEnds.begin());
}

int GuessOdds::drafter_grade(int place) { return kLookupGrades + std::min(place, kDrafterGrades - 1); }

GuessOdds::GuessOdds() {
  for (size_t i = 0; i < kGrades; ++i) {
    seen_[i] = kPrejudiceWeight;
    right_[i] = kPrejudiceWeight * kPrejudice[i];
  }
}

void GuessOdds::saw(int grade, bool right) {
  right_[at(grade)] = right_[at(grade)] * kMemory + (right ? 1 : 0);
  seen_[at(grade)] = seen_[at(grade)] * kMemory + 1;
}

void GuessOdds::forget(int grade) {
  right_[at(grade)] = right_[at(grade)] * kReturn + (1 - kReturn) * kPrejudiceWeight * kPrejudice[at(grade)];
  seen_[at(grade)] = seen_[at(grade)] * kReturn + (1 - kReturn) * kPrejudiceWeight;
}

StepCost::StepCost() : row_share_(kRowShare) {}

void StepCost::measured(int rows, int base, double seconds) {
  if (rows > kMostRows) return;
  if (rows == base) {
    row_share_ = kRowShare + (row_share_ - kRowShare) * kRowReturn;
  } else if (knows(base)) {
    const double share = (seconds / mean_[at(base)] - 1) / (rows - base);
    row_share_ = row_share_ * kRowMemory + std::clamp(share, 0.0, 1.0) * (1 - kRowMemory);
  }
  for (double& weight : weight_) weight *= kStepReturn;
  double& mean = mean_[at(rows)];
  double& weight = weight_[at(rows)];
  if (weight < kKnown) {
    mean = seconds;
    weight = 1;
    return;
  }
  // A step that was held up counts as one twice as long at most.
  weight = weight * kStepMemory + 1;
  mean += (std::min(seconds, 2 * mean) - mean) / weight;
}

bool StepCost::knows(int rows) const { return rows <= kMostRows && weight_[at(rows)] >= kKnown; }

double StepCost::seconds(int rows, int base) const {
  // From the nearest number of rows below that is known; a step of fewer rows is never the longer one.
  int from = std::min(rows, kMostRows);
  while (from > base && !knows(from)) --from;
  double longest = 0;
  for (int i = base; i <= from; ++i) {
    if (knows(i)) longest = std::max(longest, mean_[at(i)]);
  }
  return longest + row_share_ * (rows - from) * mean_[at(base)];
}

void GuessBalance::add(double cost, double saved) {
  balance_ = std::min(balance_ + saved - cost, kMostGain);
  steps_ += 1 + saved;
}

bool GuessBalance::allows() const { return balance_ > -kStake - kMostLoss * steps_; }

/** Takes guesses one by one, the likeliest first, and tells `visit` of each state; until `most` or below `least`. */
template <class Visit>
void DraftLengths::take_likeliest(std::span<const Guesses> sequences, int most, double least, const Visit& visit) {
  taken_.assign(sequences.size(), 0);
  best_.assign(sequences.size(), 0);
  reached_.assign(sequences.size(), 1.0);
  double gained = 0, making = 0;
  for (int taken = 1; taken <= most; ++taken) {
    size_t best = sequences.size();
    double odds = least;
    for (size_t i = 0; i < sequences.size(); ++i) {
      if (taken_[i] >= sequences[i].count) continue;
      const double each = reached_[i] * sequences[i].odds[static_cast<size_t>(taken_[i])];
      if (each <= odds) continue;
      odds = each;
      best = i;
    }
    if (best == sequences.size()) return;
    ++taken_[best];
    reached_[best] = odds;
    gained += odds;
    making += sequences[best].seconds_each;
    visit(taken, gained, making);
  }
}

std::span<const int> DraftLengths::fastest(std::span<const Guesses> sequences, const StepCost& cost, int most) {
  const auto base = static_cast<int>(sequences.size());
  if (!cost.knows(base)) return fixed(sequences, 0, 0);
  double rate = kLeastGain * base / cost.seconds(base, base);
  const int rows = std::min(most, StepCost::kMostRows - base);
  take_likeliest(sequences, rows, 0, [&](int taken, double gained, double making) {
    const double each = (base + gained) / (cost.seconds(base + taken, base) + making);
    if (each <= rate) return;
    rate = each;
    best_ = taken_;
  });
  return best_;
}

std::span<const int> DraftLengths::likely(std::span<const Guesses> sequences, int most) {
  take_likeliest(sequences, most, kLikely, [&](int, double, double) { best_ = taken_; });
  return best_;
}

std::span<const int> DraftLengths::fixed(std::span<const Guesses> sequences, int length, int most) {
  best_.clear();
  for (const Guesses& each : sequences) {
    best_.push_back(std::min({length, each.count, most}));
    most -= best_.back();
  }
  return best_;
}

}  // namespace gemma
