// SPDX-License-Identifier: Apache-2.0
// Choosing a token. Noise is keyed, not streamed: the token is the argmax of its filtered logits / temperature plus
// Gumbel noise that is a pure function of (seed, position, token id). The same seed gives the same text, alone or in a
// batch.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "tensor/ops.h"

namespace gemma {

struct Sampling {
  float temperature = 1.0f;  // 0: greedy
  int top_k = 64;            // 0: all
  float top_p = 0.95f;       // 1: all
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;  // divides positive, multiplies negative logits of ids seen (Keskar et al. 2019)
  float presence_penalty = 0.0f, frequency_penalty = 0.0f;
  std::map<int32_t, float> bias;
  uint64_t seed = 0;
};

struct Alternative {
  int32_t token = 0;
  float logprob = 0;
};

struct Choice {
  int32_t token = 0;
  float logprob = 0;  // of the raw logits, before filters, penalties and temperature
  std::vector<Alternative> top;
};

/** Pure. logits: one raw row. history: ids that penalties count (prompt and answer). never: ids that may not be chosen
 *  (suppressed, reserved, media), sorted; log-probabilities count them all the same. */
Choice sample(std::span<const float> logits, const Sampling& sampling, std::span<const int32_t> history,
              std::span<const int32_t> never, int64_t position, int top_logprobs = 0);

}  // namespace gemma
