// SPDX-License-Identifier: Apache-2.0
// Products in plain C++: the reference of every other table, and what runs where there is none. Compiled with the
// baseline's flags, so it may call unpack (tensor/pack.h), the definition of what a stored value means.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels/parts.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kLanes = 8;    // partial sums of a product
constexpr int64_t kChunk = 256;  // values unpacked at a time

void add_products(const float* w, const float* x, int64_t n, float* lanes) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += w[i + l] * x[i + l];
  }
  for (int64_t l = 0; i + l < n; ++l) lanes[l] += w[i + l] * x[i + l];
}

float tree(const float* s) { return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])); }

template <DType type>
float dot(const std::byte* w, const float* x, int64_t n) {
  float lanes[kLanes] = {}, values[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    unpack(type, {w + bytes_of(type, i), static_cast<size_t>(bytes_of(type, count))},
           {values, static_cast<size_t>(count)});
    add_products(values, x + i, count, lanes);
  }
  return tree(lanes);
}

template <DType type>
void product(const WeightRows& w, const float* x, int64_t x_stride, int64_t x_rows, int64_t n, float* y,
             int64_t y_stride) {
  for (int64_t i = 0; i < x_rows; ++i) {
    for (int64_t r = 0; r < w.rows; ++r) y[i * y_stride + r] = dot<type>(w.data + r * w.stride, x + i * x_stride, n);
  }
}

}  // namespace

void scalar_products(Kernels& table) {
  table.product[static_cast<size_t>(DType::f32)] = product<DType::f32>;
  table.product[static_cast<size_t>(DType::bf16)] = product<DType::bf16>;
}

}  // namespace gemma::cpu
