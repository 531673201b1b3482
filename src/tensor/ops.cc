// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace gemma {

void Ops::copy_pages(const Tensor& source, std::span<const int32_t> from, const Tensor& target,
                     std::span<const int32_t> to) {
  GEMMA_CHECK(from.size() == to.size() && source.dtype() == target.dtype(), "a page of the same type for each page");
  Tensor written = target;
  const int64_t page = target.bytes() / target.shape()[0];
  GEMMA_CHECK(source.bytes() / source.shape()[0] == page, "pages of one size");
  const std::byte* in = source.raw().data();
  std::byte* out = written.raw_mutable().data();
  for (size_t i = 0; i < from.size(); ++i) {
    std::memcpy(out + to[i] * page, in + from[i] * page, static_cast<size_t>(page));
  }
}

Tensor Ops::prepare_weight(Tensor w) {
  const int64_t row = bytes_of(w.dtype(), w.cols());
  const std::span<const std::byte> bytes = w.raw();
  return load_weight(w.dtype(), w.shape(), [&](int64_t first, int64_t n, std::span<std::byte> out) {
    const auto rows = bytes.subspan(static_cast<size_t>(first * row), static_cast<size_t>(n * row));
    std::copy(rows.begin(), rows.end(), out.begin());
  });
}

Tensor Ops::linear(const Tensor& x, const Tensor& w) {
  const Tensor* weights[] = {&w};
  Tensor y;
  linear(x, weights, std::span(&y, 1));
  return y;
}

Tensor Ops::clipped_linear(const Tensor& x, const Tensor& w, const Bounds& b) {
  return clamp(linear(clamp(x, b.input_min, b.input_max), w), b.output_min, b.output_max);
}

Tensor Ops::gated_linear(const Tensor& x, const Tensor& gate, const Tensor& up) {
  const Tensor* both[] = {&gate, &up};
  Tensor y[2];
  linear(x, both, y);
  return gated_gelu(y[0], y[1]);
}

}  // namespace gemma
