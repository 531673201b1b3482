// SPDX-License-Identifier: Apache-2.0
// What ops take or give that is no tensor: bounds of activations; keys laid out; which experts, which tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gemma {

/** Bounds of what goes into a product and of what comes out. */
struct Bounds {
  float input_min = 0, input_max = 0, output_min = 0, output_max = 0;
};

/** Keys and values that every query sees, in an order that only the device knows: of `rows` rows with heads of
 *  `head_dim`. */
struct DenseKeys {
  Tensor keys, values;
  int64_t rows = 0, head_dim = 0;
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
