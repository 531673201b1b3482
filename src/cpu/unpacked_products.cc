// SPDX-License-Identifier: Apache-2.0
#include "cpu/unpacked_products.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "tensor/dtype.h"

namespace gemma::cpu {
namespace {

// Weight rows of a panel, and activations that go over it before the next: 1.5 MiB, what a second-level cache of 2 MiB
// holds. In a smaller one the activations come from the third level, a few bytes a cycle.
constexpr int64_t kPanelFloats = 131072;
constexpr int64_t kActivationFloats = 262144;

/** Rows of a panel: a few tiles, whole ones. */
int64_t panel_rows(int64_t n) { return std::clamp<int64_t>(kPanelFloats / n / 12 * 12, 12, 48); }

int64_t activation_rows(int64_t n) { return std::clamp<int64_t>(kActivationFloats / n / 12 * 12, 24, 516); }

}  // namespace

void multiply_unpacked(const Kernels& kernels, const WeightRows& w, int64_t n, const Activations& x, float* y,
                       int64_t y_stride) {
  constexpr auto kF32 = static_cast<size_t>(DType::f32);
  if (x.rows == 1) return kernels.product[kF32](w, x.data, x.stride, 1, n, y, y_stride);
  const int64_t step = activation_rows(n), height = panel_rows(n);
  for (int64_t i = 0; i < x.rows; i += step) {
    for (int64_t r = 0; r < w.rows; r += height) {
      const WeightRows some{w.data + r * w.stride, w.stride, std::min(height, w.rows - r)};
      kernels.product[kF32](some, x.data + i * x.stride, x.stride, std::min(step, x.rows - i), n, y + i * y_stride + r,
                            y_stride);
    }
  }
}

}  // namespace gemma::cpu
