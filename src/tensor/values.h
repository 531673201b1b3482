// SPDX-License-Identifier: Apache-2.0
// What ops take or give that is no tensor: bounds of activations; which experts, which tokens.
#pragma once

#include <cstdint>
#include <vector>

namespace gemma {

/** Bounds of what goes into a product and of what comes out. */
struct Bounds {
  float input_min = 0, input_max = 0, output_min = 0, output_max = 0;
};

/** The experts chosen for each row, best first (ties: lower index first), and the weight of each. */
struct Routing {
  int top_k = 0;
  std::vector<int32_t> index;  // [rows * top_k]
  std::vector<float> weight;   // [rows * top_k]
};

/** The best of one row of logits, and what a probability needs: p(id) = exp(value - log_sum_exp). */
struct Candidates {
  std::vector<int32_t> ids;   // falling value; ties: lower id first
  std::vector<float> values;  // raw logits
  double log_sum_exp = 0;     // over the whole row, masked ids left out
};

}  // namespace gemma
