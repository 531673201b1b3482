// SPDX-License-Identifier: Apache-2.0
// How many guessed tokens a step is worth: from how often guesses were right, and from what steps of more rows cost.
// Nothing here changes a text, only how fast it comes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

/** How often guesses of each grade are right, when all before them were: what lately happened in one answer, and a
 *  prejudice that counts as a few guesses. */
class GuessOdds {
 public:
  static constexpr int kLookupGrades = 6, kDrafterGrades = 4, kGrades = kLookupGrades + kDrafterGrades;
  /** Of a token looked up: by how many tokens before it are equal, those guessed included. */
  static int lookup_grade(int match_length);
  /** Of a drafter's token: by its place in the draft, from 0. */
  static int drafter_grade(int place);

  GuessOdds();
  double of(int grade) const { return right_[at(grade)] / seen_[at(grade)]; }
  void saw(int grade, bool right);
  /** Moves a grade a little towards its prejudice: what is not tried would never change otherwise. */
  void forget(int grade);

 private:
  static size_t at(int grade) { return static_cast<size_t>(grade); }
  std::array<double, kGrades> right_, seen_;
};

/** Seconds of a step by its number of rows, as measured. */
class StepCost {
 public:
  static constexpr int kMostRows = 64;

  StepCost();
  /** base: rows without guesses. */
  void measured(int rows, int base, double seconds);
  /** Whether a step of so many rows has been measured of late: others are reckoned from it. */
  bool knows(int rows) const;
  /** Of a step of `rows` rows, `base` of them no guesses; knows(base). What has not been measured, or long ago, is
   *  reckoned from what a row more has cost so far, and that is taken to be little at first. */
  double seconds(int rows, int base) const;

 private:
  static size_t at(int rows) { return static_cast<size_t>(rows); }
  std::array<double, kMostRows + 1> mean_{}, weight_{};
  double row_share_;  // of a step without guesses: what a row more costs
};

/** What the guesses of one answer have cost and saved, in steps without guesses: a bound on what bad luck may lose. */
class GuessBalance {
 public:
  /** A step of this answer. */
  void add(double cost, double saved);
  /** Whether there is something left to lose. */
  bool allows() const;

 private:
  double balance_ = 0, steps_ = 0;
};

/** What one sequence could have checked in a step. */
struct Guesses {
  std::array<double, 16> odds{};  // of each of `count` tokens in turn, when those before it are right
  int count = 0;
  double seconds_each = 0;  // to make one
};

/** How many tokens of each sequence's guesses a step checks, at most `most` of all together. Each of the sequences
 * makes one token without. The lists stay from step to step, so that a step asks the heap for nothing; a result is good
 * until the next call. */
class DraftLengths {
 public:
  /** As many as make the most tokens a second. */
  std::span<const int> fastest(std::span<const Guesses> sequences, const StepCost& cost, int most);
  /** In a step that feeds prompts: it takes long whatever is checked, so all that are likely right come. */
  std::span<const int> likely(std::span<const Guesses> sequences, int most);
  /** `length` of each, where there are so many. */
  std::span<const int> fixed(std::span<const Guesses> sequences, int length, int most);

 private:
  template <class Visit>
  void take_likeliest(std::span<const Guesses> sequences, int most, double least, const Visit& visit);

  std::vector<int> taken_, best_;
  std::vector<double> reached_;  // odds that all taken of a sequence are right
};

}  // namespace gemma
