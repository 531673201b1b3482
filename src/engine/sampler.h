// SPDX-License-Identifier: Apache-2.0
// Choosing a token. Noise is keyed, not streamed: the token is the argmax of its filtered logits / temperature plus
// Gumbel noise that is a pure function of (seed, position, token id). The same seed gives the same text, alone or in a
// batch, and the choice follows the softmax of the filtered logits exactly (the Gumbel-max trick).
//
// Order: log-probabilities (of the raw logits) - ids that may not come - repetition penalty, presence and frequency
// penalty, bias - temperature - top_k - top_p (of what top_k left, renormalised; the token that crosses it stays) -
// min_p (relative to the best) - noise. Among equals the lower id comes first, everywhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "tensor/ops.h"

namespace gemma {

struct Sampling {
  float temperature = 1.0f;  // 0: greedy
  int top_k = 64;            // 0: all
  float top_p = 0.95f;       // 1: all
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;  // divides positive, multiplies negative logits of ids seen (Keskar et al. 2019)
  float presence_penalty = 0.0f, frequency_penalty = 0.0f;
  std::map<int32_t, float> bias = {};  // added to logits
  uint64_t seed = 0;
};

/** What is wrong with the settings (range, not a number), by field. */
std::optional<Failure> problem_with(const Sampling& sampling, int vocab);

struct Alternative {
  int32_t token = 0;
  float logprob = 0;
  bool operator==(const Alternative&) const = default;
};

/** What a row of logits says of one token. NaN where log_sum_exp() is. */
struct Likelihood {
  float logprob = 0;
  std::vector<Alternative> top;  // best first, whether it is among them or not
  bool operator==(const Likelihood&) const = default;
};

struct Choice {
  int32_t token = 0;             // -1: none can be chosen (nothing is allowed, or the logits are not numbers)
  float logprob = 0;             // of the raw logits, before filters, penalties and temperature; NaN where they are bad
  std::vector<Alternative> top;  // best first
};

/** What may be chosen. */
struct Permitted {
  std::span<const int32_t> never;     // ids that may not come: suppressed, reserved, media
  std::span<const uint32_t> allowed;  // a mask: bit set = may come; empty: all
};

/** Pure. logits: one raw row. history: ids that penalties count (prompt and answer). position: of the token to be
 *  chosen in its sequence. Log-probabilities count ids that may not come all the same. top_logprobs: how many
 *  alternatives are wanted beside the token's own log-probability; nothing: not that either, which stays 0. */
Choice sample(std::span<const float> logits, const Sampling& sampling, std::span<const int32_t> history,
              const Permitted& permitted, int64_t position, std::optional<int> top_logprobs = std::nullopt);

/** Of raw logits. */
Likelihood likelihood(std::span<const float> logits, int32_t token, int top_logprobs);

/** log(sum(exp(logits))); NaN when a logit is NaN or infinite, or all are -infinity. */
double log_sum_exp(std::span<const float> logits);

}  // namespace gemma
