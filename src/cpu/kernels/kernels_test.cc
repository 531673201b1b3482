// SPDX-License-Identifier: Apache-2.0
// Every table that this machine has against the scalar one or against double precision: all types, odd sizes, any
// address, NaN, infinities, denormals; and the property that everything above relies on, that a row's bits do not
// depend on the rows beside it.
#include "cpu/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cpu/kernels/select.h"
#include "cpu/testing/values.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kEps = 0x1p-24;  // half a unit in the last place of 1.0f

constexpr DType kRowTypes[] = {DType::f32, DType::bf16};  // that products take as they are stored

size_t at(DType type) { return static_cast<size_t>(type); }
uint32_t bits(float x) { return std::bit_cast<uint32_t>(x); }
/** Distance from the true value in units of the last place of its f32. */
double ulps(float value, double truth) {
  const auto nearest = static_cast<float>(truth);
  if (std::isinf(nearest) || std::isinf(value)) return value == nearest ? 0 : 1e9;
  const double unit = std::max<double>(std::nextafter(std::abs(nearest), kInf) - std::abs(nearest), 0x1p-149);
  return std::abs(static_cast<double>(value) - truth) / unit;
}

std::vector<float> random_values(size_t n, int seed, float spread = 1.0f) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

std::vector<std::byte> random_weights(DType type, int64_t n, int seed) {
  std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(type, n)));
  pack(type, random_values(static_cast<size_t>(n), seed), bytes);
  return bytes;
}

std::vector<float> unpacked(DType type, std::span<const std::byte> bytes, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  unpack(type, bytes, values);
  return values;
}

class Table : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& k_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(All, Table, testing::ValuesIn(all_kernels()),
                         [](const auto& test) { return test.param->name; });

TEST_P(Table, ProductIsCloseToTheSumInDouble) {
  for (DType type : kRowTypes) {
    for (int64_t n : {1, 7, 16, 33, 1000, 2500}) {
      const int64_t rows = 7;
      const auto bytes = random_weights(type, rows * n, 2);
      const auto w = unpacked(type, bytes, rows * n);
      const auto x = random_values(static_cast<size_t>(n), 3);
      std::vector<float> y(static_cast<size_t>(rows));
      k_.product[at(type)]({bytes.data(), bytes_of(type, n), rows}, x.data(), n, 1, n, y.data(), rows);
      for (int64_t r = 0; r < rows; ++r) {
        double sum = 0, size = 0;
        for (int64_t i = 0; i < n; ++i) {
          const double product = static_cast<double>(w[static_cast<size_t>(r * n + i)]) * x[static_cast<size_t>(i)];
          sum += product;
          size += std::abs(product);
        }
        ASSERT_NEAR(y[static_cast<size_t>(r)], sum, size * kEps * 8) << info(type).name << " n " << n << " row " << r;
      }
    }
  }
}

TEST_P(Table, ProductGivesTheSameBitsForAnyRowsAtAnyAddress) {
  for (DType type : kRowTypes) {
    const int64_t n = 77, rows = 11, most = 33, row_bytes = bytes_of(type, n);
    const auto bytes = random_weights(type, rows * n, 4);
    const auto x = random_values(static_cast<size_t>(most * n), 5);
    std::vector<std::byte> moved(bytes.size() + 2);
    std::memcpy(moved.data() + 2, bytes.data(), bytes.size());
    std::vector<float> expected(static_cast<size_t>(most * rows));
    for (int64_t i = 0; i < most; ++i) {
      k_.product[at(type)]({bytes.data(), row_bytes, rows}, x.data() + i * n, n, 1, n, expected.data() + i * rows,
                           rows);
    }
    for (int64_t count = 1; count <= most; ++count) {
      std::vector<float> y(static_cast<size_t>(count * rows));
      k_.product[at(type)]({moved.data() + 2, row_bytes, rows}, x.data(), n, count, n, y.data(), rows);
      for (size_t i = 0; i < y.size(); ++i) {
        ASSERT_EQ(bits(y[i]), bits(expected[i])) << info(type).name << ' ' << count << " rows, " << i;
      }
    }
  }
}

TEST_P(Table, ProductAtOddSizes) {
  for (DType type : kRowTypes) {
    for (int64_t n : {1, 3, 8, 15, 17, 31, 100, 257}) {
      for (int64_t rows : {1, 2, 3, 4, 5, 13}) {
        const auto bytes = random_weights(type, rows * n, 6);
        const auto w = unpacked(type, bytes, rows * n);
        const int64_t count = 7, stride = n + 3;
        const auto x = random_values(static_cast<size_t>(count * stride), 7);
        std::vector<float> y(static_cast<size_t>(count * (rows + 1)), -5.0f);
        k_.product[at(type)]({bytes.data(), bytes_of(type, n), rows}, x.data(), stride, count, n, y.data(), rows + 1);
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t r = 0; r < rows; ++r) {
            float single;
            const auto* one = reinterpret_cast<const std::byte*>(w.data() + r * n);
            k_.product[at(DType::f32)]({one, n * 4, 1}, x.data() + i * stride, n, 1, n, &single, 1);
            ASSERT_EQ(bits(y[static_cast<size_t>(i * (rows + 1) + r)]), bits(single)) << info(type).name << ' ' << n;
          }
          ASSERT_EQ(y[static_cast<size_t>(i * (rows + 1) + rows)], -5.0f) << "written beside the result";
        }
      }
    }
  }
}

TEST_P(Table, NanAndInfinityStayInTheirRow) {
  const int64_t n = 64, rows = 5, count = 9;
  const auto w = random_values(rows * n, 8);
  auto x = random_values(count * n, 9);
  x[3 * n + 5] = kNan;
  x[6 * n + 63] = kInf;
  std::vector<float> y(rows * count);
  k_.product[at(DType::f32)]({reinterpret_cast<const std::byte*>(w.data()), n * 4, rows}, x.data(), n, count, n,
                             y.data(), rows);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t r = 0; r < rows; ++r) {
      const float value = y[static_cast<size_t>(i * rows + r)];
      EXPECT_EQ(std::isnan(value), i == 3) << i;
      EXPECT_EQ(std::isinf(value), i == 6) << i;
    }
  }
}

TEST_P(Table, Exponential) {
  double worst = 0;
  for (float x = -104.5f; x < 89.0f; x += 0.00917f) {
    const double truth = std::exp(static_cast<double>(x));
    worst = std::max(worst, ulps(static_cast<float>(k_.sum_exp(&x, 1, 0.0f)), truth));
  }
  EXPECT_LE(worst, 2.0);
  for (auto [x, y] : {std::pair{-kInf, 0.0f}, {0.0f, 1.0f}, {-200.0f, 0.0f}, {kInf, kInf}, {100.0f, kInf}}) {
    EXPECT_EQ(static_cast<float>(k_.sum_exp(&x, 1, 0.0f)), y) << x;
  }
  EXPECT_TRUE(std::isnan(k_.sum_exp(&kNan, 1, 0.0f)));
}

TEST_P(Table, SoftcapIsTanh) {
  double worst = 0;
  for (float x : {1e-40f, 1e-20f, 1e-8f, 1e-3f, 0.62499f, 0.625f, 9.0f, 20.0f, 1e30f, kInf}) {
    for (float sign : {1.0f, -1.0f}) {
      float y, v = sign * x;
      k_.softcap(&v, 1.0f, 1, &y);
      worst = std::max(worst, ulps(y, std::tanh(static_cast<double>(v))));
    }
  }
  std::vector<float> x, y;
  for (float v = -12.0f; v < 12.0f; v += 0.00113f) x.push_back(v);
  y.resize(x.size());
  k_.softcap(x.data(), 1.0f, static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, ulps(y[i], std::tanh(static_cast<double>(x[i]))));
  EXPECT_LE(worst, 3.0);
  k_.softcap(x.data(), 30.0f, static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_LE(ulps(y[i], 30 * std::tanh(static_cast<double>(x[i]) / 30)), 4.0);
  k_.softcap(&kNan, 1.0f, 1, y.data());
  EXPECT_TRUE(std::isnan(y[0]));
}

TEST_P(Table, ClampAtOddSizes) {
  for (int64_t n : {1, 7, 16, 33}) {
    auto x = random_values(static_cast<size_t>(n), 10, 3.0f);
    x[0] = n == 7 ? kNan : n == 16 ? kInf : -kInf;
    std::vector<float> y(x.size() + 1, 9.0f);
    k_.clamp(x.data(), -0.5f, 2.0f, n, y.data());
    EXPECT_TRUE(n == 7 ? std::isnan(y[0]) : y[0] == (n == 16 ? 2.0f : -0.5f)) << n;
    for (size_t i = 1; i < x.size(); ++i) ASSERT_EQ(y[i], std::clamp(x[i], -0.5f, 2.0f)) << n;
    EXPECT_EQ(y.back(), 9.0f);
    k_.clamp(x.data(), -kInf, kInf, n, y.data());
    for (size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same(y[i], x[i])) << n;
  }
}

TEST_P(Table, GatedGelu) {
  std::vector<float> x, up, y;
  for (float v = -15.0f; v < 15.0f; v += 0.0019f) x.push_back(v);
  up.assign(x.size(), 1.0f);
  y.resize(x.size());
  k_.gated_gelu(x.data(), up.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double v = x[i], u = std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v);
    const double truth = v / (1 + std::exp(-2 * u));
    // The exponent 2 u is rounded to f32, so far out on the left relative errors grow with it;
    // where e^-2u is beyond f32 the result is zero.
    ASSERT_NEAR(y[i], truth, std::abs(truth) * kEps * (6 + 8 * std::abs(u)) + 1e-37) << v;
  }
  const float gates[] = {kInf, -1e20f, 0.0f, -0.0f, 1e20f}, ups[] = {2.0f, 3.0f, 4.0f, 5.0f, 0.5f};
  float out[5];
  k_.gated_gelu(gates, ups, 5, out);
  EXPECT_EQ(out[0], kInf);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[2], 0.0f);
  EXPECT_EQ(out[3], 0.0f);
  EXPECT_EQ(out[4], 5e19f);
}

TEST_P(Table, ElementwiseAtOddSizes) {
  for (int64_t n : {1, 2, 7, 8, 9, 15, 16, 17, 40, 63}) {
    const auto a = random_values(static_cast<size_t>(n), 10), b = random_values(static_cast<size_t>(n), 11);
    std::vector<float> y(static_cast<size_t>(n) + 1, 9.0f);
    const auto check = [&](const char* what, auto truth, double tolerance) {
      for (size_t i = 0; i < a.size(); ++i) ASSERT_LE(ulps(y[i], truth(i)), tolerance) << what << ' ' << n << ' ' << i;
      ASSERT_EQ(y.back(), 9.0f) << what;
    };
    const auto d = [](float x) { return static_cast<double>(x); };
    k_.add(a.data(), b.data(), n, y.data());
    check("add", [&](size_t i) { return d(a[i]) + d(b[i]); }, 0.5);
    k_.mul(a.data(), b.data(), n, y.data());
    check("mul", [&](size_t i) { return d(a[i]) * d(b[i]); }, 0.5);
    k_.scale(a.data(), 1.7f, n, y.data());
    check("scale", [&](size_t i) { return d(a[i]) * d(1.7f); }, 0.5);
    k_.combine(a.data(), 0.3f, b.data(), 0.0f, n, y.data());
    check("combine", [&](size_t i) { return d(a[i]) * d(0.3f); }, 0.5);
    k_.combine(a.data(), 0.25f, b.data(), 2.0f, n, y.data());
    check("combine", [&](size_t i) { return d(a[i]) * 0.25 + d(b[i]) * 2; }, 0.5);
    EXPECT_EQ(k_.max(a.data(), n), *std::ranges::max_element(a));
  }
  EXPECT_EQ(k_.max(nullptr, 0), -kInf);
}

TEST_P(Table, RmsNorm) {
  for (int64_t n : {1, 5, 16, 33, 640, 1001}) {
    const auto x = random_values(static_cast<size_t>(n), 12, 3.0f), w = random_values(static_cast<size_t>(n), 13),
               base = random_values(static_cast<size_t>(n), 14);
    double sum = 0;
    for (float v : x) sum += static_cast<double>(v) * v;
    const double factor = 1 / std::sqrt(sum / static_cast<double>(n) + 1e-6);
    std::vector<float> plain(x.size()), weighted(x.size()), residual(x.size());
    k_.rms_norm(x.data(), nullptr, nullptr, 1e-6f, n, plain.data());
    k_.rms_norm(x.data(), w.data(), nullptr, 1e-6f, n, weighted.data());
    k_.rms_norm(x.data(), w.data(), base.data(), 1e-6f, n, residual.data());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_LE(ulps(plain[i], x[i] * factor), 5.0) << n;
      ASSERT_LE(ulps(weighted[i], x[i] * factor * w[i]), 6.0) << n;
      ASSERT_EQ(residual[i], base[i] + weighted[i]);
    }
  }
}

TEST_P(Table, LayerNorm) {
  for (int64_t n : {1, 5, 16, 33, 640, 1001}) {
    auto x = random_values(static_cast<size_t>(n), 12, 3.0f);
    for (float& v : x) v += 7.0f;  // the mean is far from zero
    const auto w = random_values(static_cast<size_t>(n), 13), bias = random_values(static_cast<size_t>(n), 14);
    double mean = 0, variance = 0;
    for (float v : x) mean += static_cast<double>(v) / static_cast<double>(n);
    for (float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
    std::vector<float> plain(x.size()), biased(x.size() + 1, 9.0f);
    k_.layer_norm(x.data(), w.data(), nullptr, 1e-5f, n, plain.data());
    k_.layer_norm(x.data(), w.data(), bias.data(), 1e-5f, n, biased.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double truth = (x[i] - mean) / std::sqrt(variance + 1e-5) * w[i];
      ASSERT_NEAR(plain[i], truth, std::abs(truth) * 1e-5 + 3e-6) << n;
      ASSERT_EQ(biased[i], plain[i] + bias[i]) << n;
    }
    EXPECT_EQ(biased.back(), 9.0f);
  }
}

/** A faint picture: values near 0.7 that differ by some thousandths. */
TEST_P(Table, LayerNormOfValuesCloseTogether) {
  const int64_t n = 432;
  auto x = random_values(static_cast<size_t>(n), 12, 3e-3f);
  for (float& v : x) v += 0.7f;
  double mean = 0, variance = 0;
  for (float v : x) mean += static_cast<double>(v) / static_cast<double>(n);
  for (float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
  const std::vector<float> one(x.size(), 1.0f);
  std::vector<float> y(x.size());
  k_.layer_norm(x.data(), one.data(), nullptr, 1e-5f, n, y.data());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], (x[i] - mean) / std::sqrt(variance + 1e-5), 1e-6);
}

TEST_P(Table, GatedSigmoid) {
  std::vector<float> b, y;
  for (float v = -20.0f; v < 20.0f; v += 0.0037f) b.push_back(v);
  const std::vector<float> a(b.size(), 1.0f);
  y.resize(b.size());
  k_.gated_sigmoid(a.data(), b.data(), std::ssize(b), y.data());
  for (size_t i = 0; i < b.size(); ++i) {
    const double truth = 1 / (1 + std::exp(-static_cast<double>(b[i])));
    ASSERT_NEAR(y[i], truth, truth * kEps * 6) << b[i];
  }
  const float values[] = {2.0f, 2.0f, -3.0f, kNan}, gates[] = {kInf, -kInf, 0.0f, 1.0f};
  float out[4];
  k_.gated_sigmoid(values, gates, 4, out);
  EXPECT_EQ(out[0], 2.0f);
  EXPECT_NEAR(out[1], 0.0f, 1e-37);
  EXPECT_EQ(out[2], -1.5f);
  EXPECT_TRUE(std::isnan(out[3]));
}

TEST_P(Table, SoftmaxSumsToOne) {
  for (int64_t n : {1, 3, 8, 17, 128, 1000}) {
    auto x = random_values(static_cast<size_t>(n), 15, 5.0f);
    if (n > 3) x[2] = -kInf;
    double sum = 0;
    for (float v : x) sum += std::exp(static_cast<double>(v));
    const double largest = *std::ranges::max_element(x);
    std::vector<float> y(x.size());
    k_.softmax(x.data(), n, y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double truth = std::exp(static_cast<double>(x[i])) / sum;
      if (truth == 0) {
        ASSERT_EQ(y[i], 0.0f);
        continue;
      }
      ASSERT_NEAR(y[i], truth, truth * kEps * (8 + 2 * std::abs(x[i] - largest))) << n;  // x - max is rounded
    }
  }
}

TEST_P(Table, SumOfExponentialsOverAVocabulary) {
  const auto x = random_values(30001, 16, 4.0f);
  double sum = 0;
  for (float v : x) sum += std::exp(static_cast<double>(v) - 20.0);
  EXPECT_NEAR(k_.sum_exp(x.data(), 30001, 20.0f) / sum, 1.0, 1e-6);
}

/** Three blocks of keys, one of them with nothing to add, joined with weighted sums: equal to softmax at once. */
TEST_P(Table, OnlineSoftmaxAndWeightedSum) {
  for (int64_t n : {1, 5, 8, 32, 72, 100, 256}) {
    for (int64_t rows : {1, 2, 3, 6, 7, 13}) {
      const int64_t keys[] = {5, 1, 19}, total = 25;
      const auto scores = random_values(static_cast<size_t>(rows * total), 17, 3.0f);
      const auto v = random_values(static_cast<size_t>(total * n), 18);
      std::vector<float> max(static_cast<size_t>(rows), -kInf), sum(static_cast<size_t>(rows)),
          correction(static_cast<size_t>(rows)), acc(static_cast<size_t>(rows * n));
      int64_t first = 0;
      auto p = scores;
      for (int64_t count : keys) {
        k_.online_softmax(p.data() + first, total, rows, count, max.data(), sum.data(), correction.data());
        k_.weighted_sum[at(DType::f32)](p.data() + first, total, correction.data(), rows,
                                        reinterpret_cast<const std::byte*>(v.data() + first * n), count, n, acc.data());
        first += count;
      }
      for (int64_t r = 0; r < rows; ++r) {
        std::vector<double> truth(static_cast<size_t>(n));
        double weights = 0;
        for (int64_t j = 0; j < total; ++j) {
          const double w = std::exp(static_cast<double>(scores[static_cast<size_t>(r * total + j)]));
          weights += w;
          for (int64_t i = 0; i < n; ++i) truth[static_cast<size_t>(i)] += w * v[static_cast<size_t>(j * n + i)];
        }
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_NEAR(acc[static_cast<size_t>(r * n + i)] / sum[static_cast<size_t>(r)],
                      truth[static_cast<size_t>(i)] / weights, 2e-6)
              << n << ' ' << rows << ' ' << i;
        }
      }
    }
  }
}

TEST_P(Table, WeightedSumOfBf16EqualsThatOfItsValues) {
  const int64_t rows = 8, keys = 21, n = 67;
  const auto bytes = random_weights(DType::bf16, keys * n, 19);
  const auto v = unpacked(DType::bf16, bytes, keys * n);
  const auto p = random_values(rows * keys, 20), correction = random_values(rows, 21);
  auto narrow = random_values(rows * n, 22), wide = narrow;
  k_.weighted_sum[at(DType::bf16)](p.data(), keys, correction.data(), rows, bytes.data(), keys, n, narrow.data());
  k_.weighted_sum[at(DType::f32)](p.data(), keys, correction.data(), rows, reinterpret_cast<const std::byte*>(v.data()),
                                  keys, n, wide.data());
  for (size_t i = 0; i < wide.size(); ++i) ASSERT_EQ(bits(narrow[i]), bits(wide[i])) << i;
  for (int64_t r = 0; r < rows; ++r) {  // a row alone
    auto alone = random_values(rows * n, 22);
    k_.weighted_sum[at(DType::bf16)](p.data() + r * keys, keys, correction.data() + r, 1, bytes.data(), keys, n,
                                     alone.data() + r * n);
    for (int64_t i = r * n; i < (r + 1) * n; ++i) {
      ASSERT_EQ(bits(alone[static_cast<size_t>(i)]), bits(wide[static_cast<size_t>(i)])) << r;
    }
  }
}

TEST_P(Table, OnlineSoftmaxOfNothingVisible) {
  float scores[] = {-kInf, -kInf}, max = -kInf, sum = 0, correction = 0;
  k_.online_softmax(scores, 2, 1, 2, &max, &sum, &correction);
  EXPECT_EQ(correction, 1.0f);
  EXPECT_EQ(sum, 0.0f);
  float more[] = {1.0f, -kInf, 3.0f};
  k_.online_softmax(more, 3, 1, 3, &max, &sum, &correction);
  EXPECT_EQ(correction, 0.0f);
  EXPECT_EQ(max, 3.0f);
  EXPECT_EQ(more[1], 0.0f);
  EXPECT_EQ(more[2], 1.0f);
}

TEST_P(Table, OnlineSoftmaxMakesNoDenormals) {
  float scores[] = {0.0f, -86.9f, -87.1f, -95.0f, kNan}, max = 0, sum = 0, correction = 0;
  k_.online_softmax(scores, 4, 1, 4, &max, &sum, &correction);
  EXPECT_GT(scores[1], 0.0f);
  EXPECT_EQ(scores[2], 0.0f);
  EXPECT_EQ(scores[3], 0.0f);
  EXPECT_NEAR(sum, 1.0f, 1e-6);
  k_.online_softmax(scores, 5, 1, 5, &max, &sum, &correction);
  EXPECT_TRUE(std::isnan(scores[4]));
  EXPECT_TRUE(std::isnan(sum));
  float larger[] = {90.0f};
  max = 0.0f, sum = 1.0f;
  k_.online_softmax(larger, 1, 1, 1, &max, &sum, &correction);
  EXPECT_EQ(correction, 0.0f);
  EXPECT_EQ(sum, 1.0f);
}

TEST_P(Table, OnlineSoftmaxOfARowIsThatOfTheRowAlone) {
  const int64_t rows = 21, n = 45, stride = 50;
  auto scores = random_values(rows * stride, 24), max = random_values(rows, 25), sum = random_values(rows, 26);
  auto alone = scores, max_alone = max, sum_alone = sum;
  std::vector<float> correction(static_cast<size_t>(rows)), correction_alone = correction;
  k_.online_softmax(scores.data(), stride, rows, n, max.data(), sum.data(), correction.data());
  for (int64_t r = 0; r < rows; ++r) {
    k_.online_softmax(alone.data() + r * stride, 0, 1, n, max_alone.data() + r, sum_alone.data() + r,
                      correction_alone.data() + r);
  }
  EXPECT_EQ(scores, alone);
  EXPECT_EQ(max, max_alone);
  EXPECT_EQ(sum, sum_alone);
  EXPECT_EQ(correction, correction_alone);
}

TEST_P(Table, OnlineSoftmaxOfAScoreIsTheSameAtEveryPlace) {
  std::vector<float> scores(4 * 16 + 16 + 3, -1.2345f);
  float max = 0, sum = 0, correction = 0;
  const auto n = static_cast<int64_t>(scores.size());
  k_.online_softmax(scores.data(), n, 1, n, &max, &sum, &correction);
  for (size_t i = 0; i < scores.size(); ++i) ASSERT_EQ(bits(scores[i]), bits(scores[0])) << i;
}

TEST_P(Table, OnlineSoftmaxIsExactToAFewUnits) {
  std::vector<float> scores;
  for (float x = 0.0f; x > -87.0f; x -= 0.0137f) scores.push_back(x);
  const auto before = scores;
  float max = 0, sum = 0, correction = 0;
  const auto n = static_cast<int64_t>(scores.size());
  k_.online_softmax(scores.data(), n, 1, n, &max, &sum, &correction);
  for (size_t i = 0; i < scores.size(); ++i) {
    const double truth = std::exp(static_cast<double>(before[i]));
    ASSERT_NEAR(scores[i] / truth, 1.0, 1.5 * 0x1p-23) << before[i];
  }
}

TEST_P(Table, RopeRotatesTheFirstPairs) {
  for (int64_t half : {1, 4, 16, 36, 128}) {
    for (int64_t pairs : {int64_t{0}, half / 4, half / 2 + 1, half}) {
      if (pairs > half) continue;
      const auto x = random_values(static_cast<size_t>(2 * half), 23);
      std::vector<float> c, s, y(x.size());
      for (int64_t i = 0; i < pairs; ++i) {
        c.push_back(std::cos(static_cast<float>(i) + 0.3f));
        s.push_back(std::sin(static_cast<float>(i) + 0.3f));
      }
      k_.rope(x.data(), c.data(), s.data(), pairs, half, y.data());
      for (size_t i = 0; i < static_cast<size_t>(half); ++i) {
        const double a = x[i], b = x[static_cast<size_t>(half) + i];
        const bool turned = static_cast<int64_t>(i) < pairs;
        ASSERT_NEAR(y[i], turned ? a * c[i] - b * s[i] : a, 4e-7);
        ASSERT_NEAR(y[static_cast<size_t>(half) + i], turned ? b * c[i] + a * s[i] : b, 4e-7);
      }
    }
  }
}

TEST_P(Table, EveryEntryIsThere) {
  for (DType type : kRowTypes) EXPECT_TRUE(k_.product[at(type)] && k_.weighted_sum[at(type)]) << info(type).name;
  EXPECT_TRUE(k_.quantize && k_.arrange && k_.round_to_bf16 && k_.packed_product_bf16 && k_.packed_product_f16);
  for (int i = 0; i < kDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    if (!is_quantized(type)) continue;
    EXPECT_TRUE(k_.packed_product[at(type)] && k_.widen[at(type)] && k_.wide_product[at(type)]) << info(type).name;
  }
}

TEST(Select, TheVariableNamesATable) {
  const char* before = std::getenv("GEMMA4_ISA");
  const std::string kept = before == nullptr ? "" : before;
  setenv("GEMMA4_ISA", "scalar", 1);
  EXPECT_STREQ(choose_kernels().name, "scalar");
  setenv("GEMMA4_ISA", "", 1);
  EXPECT_STREQ(choose_kernels().name, all_kernels().front()->name);
  setenv("GEMMA4_ISA", "sse9", 1);
  try {
    choose_kernels();
    FAIL() << "an unknown name is accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("GEMMA4_ISA"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("'sse9'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("scalar"), std::string::npos) << error.what();
  }
  if (before == nullptr) {
    unsetenv("GEMMA4_ISA");
  } else {
    setenv("GEMMA4_ISA", kept.c_str(), 1);
  }
}

}  // namespace
}  // namespace gemma::cpu
