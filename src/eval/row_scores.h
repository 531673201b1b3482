// SPDX-License-Identifier: Apache-2.0
// What one row of logits is worth, and how far two rows are from one another; all sums in double precision. A row that
// holds NaN gives NaN, one with an infinity something that is not finite.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

/** log(sum(exp(x))). */
double row_log_sum_exp(std::span<const float> logits);

/** The largest; the lower id on ties. */
int32_t top_id(std::span<const float> logits);

/** The best logits of a row, and what its probabilities need. */
struct KeptLogits {
  double log_sum_exp = 0;    // of the whole row
  float target_logit = 0;    // of the token that came, whether kept or not
  std::vector<int32_t> ids;  // by falling value, among equals by rising id
  std::vector<float> values;
};
KeptLogits keep_best(std::span<const float> logits, int32_t target, int count);

/** Minus the natural logarithm of the probability of the token that came. */
double nll_of(std::span<const float> logits, int32_t target);

/** A row and a reference; kl: KL(reference || row). */
struct RowComparison {
  double nll = 0, reference_nll = 0, kl = 0;
  bool same_top = false;
};

RowComparison compare(std::span<const float> logits, std::span<const float> reference, int32_t target);
/** With a reference of which the best are kept: the others count as one event, so kl is a little too small (never too
 *  large), by what the two distributions differ within those others. */
RowComparison compare(std::span<const float> logits, const KeptLogits& reference, int32_t target);

}  // namespace gemma
