// SPDX-License-Identifier: Apache-2.0
#include "cpu/products.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/error.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "cpu/scratch.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

// From so many activation rows on, 16-bit weights are widened once for all of them instead of in every tile.
constexpr int64_t kWidenRows = 12;
// Unpacked weight rows of a panel, and activations that go over it before the next is unpacked: 1.5 MiB, what a
// second-level cache of 2 MiB holds. In a smaller one the activations come from the third level, a few bytes a cycle.
constexpr int64_t kPanelFloats = 131072;
constexpr int64_t kActivationFloats = 262144;
// Multiply-adds that pay for waking another thread.
constexpr int64_t kShare = 65536;

/** Rows of a panel: a few tiles, whole ones. */
int64_t panel_rows(int64_t n) { return std::clamp<int64_t>(kPanelFloats / n / 12 * 12, 12, 48); }

int64_t activation_rows(int64_t n) { return std::clamp<int64_t>(kActivationFloats / n / 12 * 12, 24, 516); }

/** Unpacks a panel of weight rows and multiplies all activations with it, panel by panel. */
void multiply_unpacked(const Kernels& kernels, const Weight& w, int64_t first, int64_t count, const Activations& x,
                       float* y, int64_t y_stride) {
  static thread_local Scratch scratch;
  const auto type = static_cast<size_t>(w.type), f32 = static_cast<size_t>(DType::f32);
  const int64_t height = panel_rows(w.n);
  const int64_t stride = (w.n + 15) / 16 * 16 + 16;  // one line more, so that rows do not meet in the same cache sets
  float* panel = scratch.floats(height * stride);
  const auto* bytes = reinterpret_cast<const std::byte*>(panel);
  for (int64_t r = 0; r < count; r += height) {
    const WeightRows rows = w.rows(first + r, std::min(height, count - r));
    for (int64_t i = 0; i < rows.rows; ++i) kernels.unpack[type](rows.data + i * rows.stride, panel + i * stride, w.n);
    kernels.product[f32]({bytes, stride * int64_t{sizeof(float)}, rows.rows}, x.data, x.stride, x.rows, w.n, y + r,
                         y_stride);
  }
}

void multiply_direct(const Kernels& kernels, const Weight& w, int64_t first, int64_t count, const Activations& x,
                     float* y, int64_t y_stride) {
  const int64_t height = panel_rows(w.n);
  for (int64_t r = 0; r < count; r += height) {
    kernels.product[static_cast<size_t>(w.type)](w.rows(first + r, std::min(height, count - r)), x.data, x.stride,
                                                 x.rows, w.n, y + r, y_stride);
  }
}

}  // namespace

Weight::Weight(const Tensor& w)
    : type(w.dtype()), data(w.raw().data()), row_bytes(bytes_of(w.dtype(), w.cols())), n(w.cols()) {
  GEMMA_CHECK(w.layout() == Layout::rows, "a weight in rows");
}

int64_t rows_per_share(int64_t n, int64_t x_rows) {
  return std::max<int64_t>(1, kShare / std::max<int64_t>(1, n * x_rows));
}

void multiply(const Kernels& kernels, const Weight& w, int64_t first, int64_t count, const Activations& x, float* y,
              int64_t y_stride) {
  const auto type = static_cast<size_t>(w.type);
  GEMMA_CHECK(kernels.dot[type] != nullptr, "a weight of a floating or quantized type");
  if (x.rows == 1) return kernels.dot[type](w.rows(first, count), x.data, w.n, y);
  const bool direct = kernels.product[type] != nullptr && (w.type == DType::f32 || x.rows < kWidenRows);
  const int64_t step = activation_rows(w.n);
  for (int64_t i = 0; i < x.rows; i += step) {
    const Activations part{x.data + i * x.stride, x.stride, std::min(step, x.rows - i)};
    (direct ? multiply_direct : multiply_unpacked)(kernels, w, first, count, part, y + i * y_stride, y_stride);
  }
}

std::vector<Tensor> CpuOps::linear(const Tensor& x, std::span<const Tensor* const> weights) {
  GEMMA_CHECK(x.dtype() == DType::f32, "activations are f32");
  const Activations rows{x.data<float>().data(), x.cols(), x.rows()};
  std::vector<Tensor> results;
  std::vector<Weight> parts;
  std::vector<int64_t> ends;  // of each weight's rows, were they one list
  for (const Tensor* w : weights) {
    GEMMA_CHECK(w->cols() == x.cols(), "a weight with as many columns as the activations");
    results.push_back(make(x.rows(), w->rows()));
    parts.emplace_back(*w);
    ends.push_back((ends.empty() ? 0 : ends.back()) + w->rows());
  }
  if (x.rows() == 0 || ends.empty()) return results;
  threads_.parallel_for(ends.back(), rows_per_share(x.cols(), x.rows()), [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < parts.size(); ++i) {
      const int64_t start = i == 0 ? 0 : ends[i - 1];
      const int64_t first = std::max(begin, start) - start, last = std::min(end, ends[i]) - start;
      if (first >= last) continue;
      float* y = results[i].data_mutable<float>().data();
      multiply(kernels_, parts[i], first, last - first, rows, y + first, results[i].cols());
    }
  });
  return results;
}

Tensor CpuOps::embed(const Tensor& table, std::span<const int32_t> ids, float factor) {
  const Weight rows(table);
  const auto unpack = kernels_.unpack[static_cast<size_t>(table.dtype())];
  GEMMA_CHECK(unpack != nullptr, "a table of a floating or quantized type");
  GEMMA_CHECK(std::ranges::all_of(ids, [&](int32_t id) { return id >= 0 && id < table.rows(); }), "rows of the table");
  const int64_t n = table.cols();
  Tensor y = make(static_cast<int64_t>(ids.size()), n);
  float* to = y.data_mutable<float>().data();
  over_rows(y.rows(), n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      unpack(rows.rows(ids[static_cast<size_t>(i)], 1).data, to + i * n, n);
      kernels_.scale(to + i * n, factor, n, to + i * n);
    }
  });
  return y;
}

}  // namespace gemma::cpu
