// SPDX-License-Identifier: Apache-2.0
// Products of activation rows with some rows of a weight: what linear and moe cut their work into.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "tensor/tensor.h"

namespace gemma::cpu {

/** Rows of f32 values. */
struct Activations {
  const float* data = nullptr;
  int64_t stride = 0;  // values from row to row
  int64_t rows = 0;
};

/** A weight [..., rows, n] seen as one list of rows. */
struct Weight {
  DType type = DType::f32;
  const std::byte* data = nullptr;
  int64_t row_bytes = 0, n = 0;

  explicit Weight(const Tensor& w);
  WeightRows rows(int64_t first, int64_t count) const { return {data + first * row_bytes, row_bytes, count}; }
};

/** y[i * y_stride + r] = w_(first + r) . x_i for r < count, on the calling thread. */
void multiply(const Kernels& kernels, const Weight& w, int64_t first, int64_t count, const Activations& x, float* y,
              int64_t y_stride);

/** Weight rows that are worth waking another thread for, with so many activation rows. */
int64_t rows_per_share(int64_t n, int64_t x_rows);

}  // namespace gemma::cpu
