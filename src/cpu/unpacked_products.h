// SPDX-License-Identifier: Apache-2.0
// Products with f32 weights, which lie as files store them, by f32 activations.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace gemma::cpu {

/** Rows of f32 values. */
struct Activations {
  const float* data = nullptr;
  int64_t stride = 0;  // values from row to row
  int64_t rows = 0;
};

/** y[i * y_stride + r] = w_r . x_i, on the calling thread. */
void multiply_unpacked(const Kernels& kernels, const WeightRows& w, int64_t n, const Activations& x, float* y,
                       int64_t y_stride);

}  // namespace gemma::cpu
