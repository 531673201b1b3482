// SPDX-License-Identifier: Apache-2.0
// Rows, softmax and the sums of attention in plain C++ with the functions of the C library: the reference of the other
// tables.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "cpu/kernels/parts.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

void rms_norm(const float* x, const float* weight, const float* residual, float eps, int64_t n, float* y) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const float factor = 1.0f / std::sqrt(static_cast<float>(sum / static_cast<double>(n)) + eps);
  for (int64_t i = 0; i < n; ++i) {
    const float value = weight != nullptr ? x[i] * factor * weight[i] : x[i] * factor;
    y[i] = residual != nullptr ? residual[i] + value : value;
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, int64_t n, float* y) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
  for (int64_t i = 0; i < n; ++i) {
    const auto normed = static_cast<float>((static_cast<double>(x[i]) - mean) * factor);
    y[i] = bias != nullptr ? normed * weight[i] + bias[i] : normed * weight[i];
  }
}

void add(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void mul(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

void scale(const float* x, float factor, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor;
}

void combine(const float* a, float factor_a, const float* b, float factor_b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * factor_a + b[i] * factor_b;
}

void gated_gelu(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    const float x = gate[i];
    const float u = 0.797884561f * (x + 0.044715f * x * x * x);
    y[i] = x / (1.0f + std::exp(-2.0f * u)) * up[i];  // (1 + tanh u) / 2 = 1 / (1 + e^-2u), without cancellation
  }
}

void gated_sigmoid(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] / (1.0f + std::exp(-b[i]));
}

void clamp(const float* x, float low, float high, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

void softcap(const float* x, float cap, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = cap * std::tanh(x[i] / cap);
}

float max(const float* x, int64_t n) {
  float best = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

void softmax(const float* x, int64_t n, float* y) {
  const float largest = max(x, n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(y[i] = std::exp(x[i] - largest));
  for (int64_t i = 0; i < n; ++i) y[i] /= static_cast<float>(sum);
}

double sum_exp(const float* x, int64_t n, float shift) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(std::exp(x[i] - shift));
  return sum;
}

void rope(const float* x, const float* cosine, const float* sine, int64_t pairs, int64_t half, float* y) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[half + i];
    y[i] = i < pairs ? a * cosine[i] - b * sine[i] : a;
    y[half + i] = i < pairs ? b * cosine[i] + a * sine[i] : b;
  }
}

float normal_exp(float x) { return x < kLeastExponent ? 0.0f : std::exp(x); }

void online_softmax(float* scores, int64_t stride, int64_t rows, int64_t n, float* largest, float* total,
                    float* correction) {
  for (int64_t r = 0; r < rows; ++r, scores += stride) {
    const float before = largest[r], block = max(scores, n);
    const float now = block > before ? block : before;
    correction[r] = before == now ? 1.0f : normal_exp(before - now);
    const float shift = now == -std::numeric_limits<float>::infinity() ? 0.0f : now;
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(scores[i] = normal_exp(scores[i] - shift));
    total[r] = total[r] * correction[r] + static_cast<float>(sum);
    largest[r] = now;
  }
}

float value_at(const float* v, int64_t i) { return v[i]; }
float value_at(const uint16_t* v, int64_t i) { return bf16_to_f32(v[i]); }

template <class T>
void weighted_sum(const float* p, int64_t p_stride, const float* correction, int64_t rows, const std::byte* values,
                  int64_t keys, int64_t n, float* acc) {
  const T* v = reinterpret_cast<const T*>(values);
  for (int64_t r = 0; r < rows; ++r) {
    float* sum = acc + r * n;
    for (int64_t i = 0; i < n; ++i) sum[i] = correction == nullptr ? 0.0f : sum[i] * correction[r];
    for (int64_t j = 0; j < keys; ++j) {
      const float weight = p[r * p_stride + j];
      for (int64_t i = 0; i < n; ++i) sum[i] += weight * value_at(v, j * n + i);
    }
  }
}

}  // namespace

void scalar_rows(Kernels& table) {
  table.rms_norm = rms_norm;
  table.add = add;
  table.mul = mul;
  table.scale = scale;
  table.combine = combine;
  table.gated_gelu = gated_gelu;
  table.layer_norm = layer_norm;
  table.gated_sigmoid = gated_sigmoid;
  table.clamp = clamp;
  table.softcap = softcap;
  table.softmax = softmax;
  table.rope = rope;
  table.max = max;
  table.sum_exp = sum_exp;
  table.online_softmax = online_softmax;
  table.weighted_sum[static_cast<size_t>(DType::f32)] = weighted_sum<float>;
  table.weighted_sum[static_cast<size_t>(DType::bf16)] = weighted_sum<uint16_t>;
}

}  // namespace gemma::cpu
