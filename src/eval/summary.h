// SPDX-License-Identifier: Apache-2.0
// Scores of many tokens, summed up in the order of the text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/row_scores.h"

namespace gemma {

/** Mean of numbers and its standard error, without keeping them. */
class Mean {
 public:
  void add(double x);
  int64_t count() const { return count_; }
  double value() const { return mean_; }
  double error() const;  // standard deviation / sqrt(n); 0 for less than two numbers
  double root_mean_square() const;

 private:
  int64_t count_ = 0;
  double mean_ = 0, squares_ = 0;  // squares: sum of squared distances from the mean
};

/** The share `q` (0 to 1) of `sorted` lies below it, between two numbers by a straight line. */
double quantile(std::span<const double> sorted, double q);

class Summary {
 public:
  /** `bytes`: of text that the token stands for. */
  void add(double token_nll, int bytes);
  void add(const RowComparison& comparison, int bytes);

  Mean nll, reference_nll;
  Mean nll_change;          // of the model over the reference, token by token
  Mean probability_change;  // of the token that came
  Mean kl, same_top;
  int64_t bytes = 0;  // of text that the counted tokens stand for

  /** perplexity = exp(mean nll); its error to first order. */
  static double perplexity(const Mean& nll);
  static double perplexity_error(const Mean& nll);
  double bits_per_byte(const Mean& mean) const;
  std::vector<double> sorted_kl() const;

 private:
  std::vector<double> all_kl_;
};

}  // namespace gemma
