// SPDX-License-Identifier: Apache-2.0
// Products in plain C++: the reference of every other table, and what runs where there is none. Compiled with the
// baseline's flags, so it may call unpack (tensor/pack.h), the definition of what a block means.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels/parts.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kLanes = 8;    // partial sums of a product
constexpr int64_t kChunk = 256;  // values unpacked at a time: one super-block, or eight small ones

template <DType type>
void unpack_as(const std::byte* blocks, float* out, int64_t n) {
  gemma::unpack(type, {blocks, static_cast<size_t>(bytes_of(type, n))}, {out, static_cast<size_t>(n)});
}

void add_products(const float* w, const float* x, int64_t n, float* lanes) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += w[i + l] * x[i + l];
  }
  for (int64_t l = 0; i + l < n; ++l) lanes[l] += w[i + l] * x[i + l];
}

float tree(const float* s) { return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])); }

template <DType type>
float dot_row(const std::byte* w, const float* x, int64_t n) {
  float lanes[kLanes] = {}, values[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    unpack_as<type>(w + bytes_of(type, i), values, count);
    add_products(values, x + i, count, lanes);
  }
  return tree(lanes);
}

template <DType type>
void dot(const WeightRows& w, const float* x, int64_t n, float* y) {
  for (int64_t r = 0; r < w.rows; ++r) y[r] = dot_row<type>(w.data + r * w.stride, x, n);
}

template <DType type>
void product(const WeightRows& w, const float* x, int64_t x_stride, int64_t x_rows, int64_t n, float* y,
             int64_t y_stride) {
  for (int64_t i = 0; i < x_rows; ++i) dot<type>(w, x + i * x_stride, n, y + i * y_stride);
}

template <DType... types>
void fill(Kernels& table) {
  ((table.unpack[static_cast<size_t>(types)] = unpack_as<types>), ...);
  ((table.dot[static_cast<size_t>(types)] = dot<types>), ...);
}

template <DType... types>
void fill_product(Kernels& table) {
  ((table.product[static_cast<size_t>(types)] = product<types>), ...);
}

}  // namespace

void scalar_products(Kernels& table) {
  fill<DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
       DType::q2_k, DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs>(table);
  fill_product<DType::f32, DType::bf16, DType::f16>(table);
}

}  // namespace gemma::cpu
