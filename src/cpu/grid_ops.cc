// SPDX-License-Identifier: Apache-2.0
// Operations on rows that are the cells of a grid: patches of a picture.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "cpu/rope_tables.h"
#include "tensor/tensor.h"

namespace gemma::cpu {

Tensor CpuOps::rope_2d(const Tensor& x, int64_t columns, std::span<const float> inverse_frequency, int64_t head_dim) {
  const int64_t rows = x.rows(), pairs = head_dim / 4, half = head_dim / 2;
  GEMMA_CHECK(x.dtype() == DType::f32, "activations are f32");
  GEMMA_CHECK(head_dim > 0 && head_dim % 4 == 0 && x.cols() % head_dim == 0, "whole heads, each of two even halves");
  GEMMA_CHECK(columns > 0 && rows % columns == 0, "a whole grid");
  GEMMA_CHECK(static_cast<int64_t>(inverse_frequency.size()) == pairs, "a frequency for every pair of a half");
  std::vector<int32_t> places(static_cast<size_t>(std::max(columns, rows / columns)));
  std::iota(places.begin(), places.end(), 0);
  const RopeTables::Table& table = rope_tables_->get(places, inverse_frequency, threads_);
  const float* from = x.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  const auto rotate = [&](int64_t at, int64_t place) {
    const float *cosine = table.cosine.data() + place * table.pairs, *sine = table.sine.data() + place * table.pairs;
    kernels_.rope(from + at, cosine, sine, table.pairs, pairs, to + at);
  };
  over_rows(rows, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t at = r * x.cols(); at < (r + 1) * x.cols(); at += head_dim) {
        rotate(at, r % columns);
        rotate(at + half, r / columns);
      }
    }
  });
  return y;
}

Tensor CpuOps::pool(const Tensor& x, int64_t columns, int64_t kernel, float factor) {
  GEMMA_CHECK(x.dtype() == DType::f32, "activations are f32");
  GEMMA_CHECK(kernel > 0 && columns > 0 && columns % kernel == 0 && x.rows() % (columns * kernel) == 0,
              "a grid of whole cells");
  const int64_t n = x.cols(), across = columns / kernel, cells = x.rows() / (kernel * kernel);
  const float* from = x.data<float>().data();
  Tensor y = make(cells, n);
  float* to = y.data_mutable<float>().data();
  const float share = factor / static_cast<float>(kernel * kernel);
  over_rows(cells, n * kernel * kernel, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float* corner = from + (c / across * kernel * columns + c % across * kernel) * n;
      float* sum = to + c * n;
      std::copy_n(corner, n, sum);
      for (int64_t i = 1; i < kernel * kernel; ++i) {
        kernels_.add(sum, corner + (i / kernel * columns + i % kernel) * n, n, sum);
      }
      kernels_.scale(sum, share, n, sum);
    }
  });
  return y;
}

}  // namespace gemma::cpu
