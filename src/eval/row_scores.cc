// SPDX-License-Identifier: Apache-2.0
#include "eval/row_scores.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace gemma {
namespace {

double at(std::span<const float> logits, int32_t id) { return static_cast<double>(logits[static_cast<size_t>(id)]); }

float largest(std::span<const float> logits) {
  float max = -std::numeric_limits<float>::infinity();
  for (const float x : logits) max = std::isnan(x) || x > max ? x : max;
  return max;
}

/** A number that orders like (falling value, rising id). */
uint64_t rank(float value, uint32_t id) {
  const uint32_t bits = std::bit_cast<uint32_t>(value + 0.0f);  // -0 is 0
  const uint32_t rising = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  return (static_cast<uint64_t>(~rising) << 32) | id;
}

}  // namespace

double row_log_sum_exp(std::span<const float> logits) {
  const auto max = static_cast<double>(largest(logits));
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - max);
  return max + std::log(sum);
}

int32_t top_id(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

KeptLogits keep_best(std::span<const float> logits, int32_t target, int count) {
  KeptLogits kept;
  kept.log_sum_exp = row_log_sum_exp(logits);
  kept.target_logit = logits[static_cast<size_t>(target)];
  std::vector<uint64_t> ranks(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) ranks[i] = rank(logits[i], static_cast<uint32_t>(i));
  const auto end = ranks.begin() + std::min<std::ptrdiff_t>(count, std::ssize(ranks));
  if (end != ranks.end()) std::nth_element(ranks.begin(), end, ranks.end());
  std::sort(ranks.begin(), end);
  for (auto i = ranks.begin(); i != end; ++i) {
    const auto id = static_cast<uint32_t>(*i);
    kept.ids.push_back(static_cast<int32_t>(id));
    kept.values.push_back(logits[id]);
  }
  return kept;
}

double nll_of(std::span<const float> logits, int32_t target) { return row_log_sum_exp(logits) - at(logits, target); }

RowComparison compare(std::span<const float> logits, std::span<const float> reference, int32_t target) {
  // KL = sum p (a - b) - lse(a) + lse(b), p = exp(a - lse(a)): one exponential of each logit.
  const auto max = static_cast<double>(largest(reference));
  double sum = 0, weighted = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const auto a = static_cast<double>(reference[i]);
    const double e = std::exp(a - max);
    sum += e;
    if (e > 0) weighted += e * (a - static_cast<double>(logits[i]));
  }
  const double lse_a = max + std::log(sum), lse_b = row_log_sum_exp(logits);
  RowComparison out;
  out.nll = lse_b - at(logits, target);
  out.reference_nll = lse_a - at(reference, target);
  out.kl = weighted / sum - lse_a + lse_b;
  out.same_top = top_id(logits) == top_id(reference);
  return out;
}

RowComparison compare(std::span<const float> logits, const KeptLogits& reference, int32_t target) {
  const double lse = row_log_sum_exp(logits);
  RowComparison out;
  out.nll = lse - at(logits, target);
  out.reference_nll = reference.log_sum_exp - static_cast<double>(reference.target_logit);
  double p_kept = 0, q_kept = 0;
  for (size_t i = 0; i < reference.ids.size(); ++i) {
    const double log_p = static_cast<double>(reference.values[i]) - reference.log_sum_exp;
    const double log_q = at(logits, reference.ids[i]) - lse;
    const double p = std::exp(log_p);
    if (p > 0) out.kl += p * (log_p - log_q);
    p_kept += p, q_kept += std::exp(log_q);
  }
  // What is left of 1 is known to about a unit of a double; below that it weighs nothing.
  constexpr double kUnit = std::numeric_limits<double>::epsilon();
  const bool some_left = reference.ids.size() < logits.size();
  const double p_rest = 1 - p_kept, q_rest = std::max(1 - q_kept, kUnit);
  if (some_left && p_rest > kUnit) out.kl += p_rest * std::log(p_rest / q_rest);
  out.same_top = top_id(logits) == reference.ids[0];
  return out;
}

}  // namespace gemma
