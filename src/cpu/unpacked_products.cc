// SPDX-License-Identifier: Apache-2.0
#include "cpu/unpacked_products.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "cpu/kernels/kernels.h"
#include "cpu/scratch.h"
#include "tensor/dtype.h"

namespace gemma::cpu {
namespace {

// From so many activation rows on, 16-bit weights are widened once for all of them instead of in every tile.
constexpr int64_t kWidenRows = 12;
// Unpacked weight rows of a panel, and activations that go over it before the next is unpacked: 1.5 MiB, what a
// second-level cache of 2 MiB holds. In a smaller one the activations come from the third level, a few bytes a cycle.
constexpr int64_t kPanelFloats = 131072;
constexpr int64_t kActivationFloats = 262144;

/** Rows of a panel: a few tiles, whole ones. */
int64_t panel_rows(int64_t n) { return std::clamp<int64_t>(kPanelFloats / n / 12 * 12, 12, 48); }

int64_t activation_rows(int64_t n) { return std::clamp<int64_t>(kActivationFloats / n / 12 * 12, 24, 516); }

WeightRows some_rows(const WeightRows& w, int64_t first, int64_t count) {
  return {w.data + first * w.stride, w.stride, std::min(count, w.rows - first)};
}

/** Widens a panel of weight rows and multiplies all activations with it, panel by panel. */
void multiply_widened(const Kernels& kernels, DType type, const WeightRows& w, int64_t n, const Activations& x,
                      float* y, int64_t y_stride) {
  static thread_local Scratch scratch;
  const auto unpack = kernels.unpack[static_cast<size_t>(type)];
  const int64_t height = panel_rows(n);
  const int64_t stride = (n + 15) / 16 * 16 + 16;  // one line more, so that rows do not meet in the same cache sets
  float* panel = scratch.floats(height * stride);
  const auto* bytes = reinterpret_cast<const std::byte*>(panel);
  for (int64_t r = 0; r < w.rows; r += height) {
    const WeightRows rows = some_rows(w, r, height);
    for (int64_t i = 0; i < rows.rows; ++i) unpack(rows.data + i * rows.stride, panel + i * stride, n);
    kernels.product[static_cast<size_t>(DType::f32)]({bytes, stride * int64_t{sizeof(float)}, rows.rows}, x.data,
                                                     x.stride, x.rows, n, y + r, y_stride);
  }
}

void multiply_direct(const Kernels& kernels, DType type, const WeightRows& w, int64_t n, const Activations& x, float* y,
                     int64_t y_stride) {
  const int64_t height = panel_rows(n);
  for (int64_t r = 0; r < w.rows; r += height) {
    kernels.product[static_cast<size_t>(type)](some_rows(w, r, height), x.data, x.stride, x.rows, n, y + r, y_stride);
  }
}

}  // namespace

void multiply_unpacked(const Kernels& kernels, DType type, const WeightRows& w, int64_t n, const Activations& x,
                       float* y, int64_t y_stride) {
  const auto index = static_cast<size_t>(type);
  GEMMA_CHECK(kernels.dot[index] != nullptr, "a weight of a floating or quantized type");
  if (x.rows == 1) return kernels.dot[index](w, x.data, n, y);
  const bool direct = kernels.product[index] != nullptr && (type == DType::f32 || x.rows < kWidenRows);
  const int64_t step = activation_rows(n);
  for (int64_t i = 0; i < x.rows; i += step) {
    const Activations part{x.data + i * x.stride, x.stride, std::min(step, x.rows - i)};
    (direct ? multiply_direct : multiply_widened)(kernels, type, w, n, part, y + i * y_stride, y_stride);
  }
}

}  // namespace gemma::cpu
