// SPDX-License-Identifier: Apache-2.0
// What encoders of sound ask of the processor, against plain loops in double precision; with every kernel table of this
// machine, and equal to the bit with one to four threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "cpu/testing/on_every_table.h"

namespace gemma::cpu {
namespace {

class SoundOps : public OnEveryTable {};

INSTANTIATE_TEST_SUITE_P(All, SoundOps, testing::ValuesIn(all_kernels()),
                         [](const auto& test) { return test.param->name; });

double at(const Tensor& x, int64_t i) { return double{x.data<float>()[static_cast<size_t>(i)]}; }

TEST_P(SoundOps, LayerNormOverTheLastAxis) {
  const Tensor x = random_tensor({7, 6, 33}, 1), w = random_tensor({33}, 2), b = random_tensor({33}, 3);
  const auto y = run([&](CpuOps& ops) { return ops.layer_norm(x, w, &b, 1e-5f); });
  for (int64_t group = 0; group < 42; ++group) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < 33; ++i) mean += at(x, group * 33 + i) / 33;
    for (int64_t i = 0; i < 33; ++i) variance += std::pow(at(x, group * 33 + i) - mean, 2) / 33;
    for (int64_t i = 0; i < 33; ++i) {
      const double truth = (at(x, group * 33 + i) - mean) / std::sqrt(variance + 1e-5) * at(w, i) + at(b, i);
      ASSERT_NEAR(y[static_cast<size_t>(group * 33 + i)], truth, 2e-6);
    }
  }
}

TEST_P(SoundOps, SiluAndGates) {
  const Tensor a = random_tensor({9, 71}, 4), b = random_tensor({9, 71}, 5);
  const auto y = run([&](CpuOps& ops) { return ops.gated_sigmoid(a, b); });
  for (size_t i = 0; i < y.size(); ++i) {
    const auto n = static_cast<int64_t>(i);
    ASSERT_NEAR(y[i], at(a, n) / (1 + std::exp(-at(b, n))), 1e-6);
  }
}

TEST_P(SoundOps, ConvolutionByTwo) {
  for (const auto& [time, bins, channels, out] :
       {std::array{1, 1, 1, 3}, std::array{2, 5, 3, 4}, std::array{7, 8, 5, 13}, std::array{8, 3, 16, 2}}) {
    const Tensor x = random_tensor({time, bins, channels}, 6), w = random_tensor({out, 9 * channels}, 7);
    const auto y = run([&](CpuOps& ops) { return ops.conv2d(x, w); });
    const int64_t times = (time + 1) / 2, across = (bins + 1) / 2;
    ASSERT_EQ(std::ssize(y), times * across * out);
    for (int64_t i = 0; i < std::ssize(y); ++i) {
      const int64_t o = i % out, f = i / out % across, t = i / out / across;
      double sum = 0;
      for (int64_t n = 0; n < 9 * channels; ++n) {
        const int64_t c = n % channels, from_bin = 2 * f + n / channels % 3 - 1, from = 2 * t + n / channels / 3 - 1;
        if (from < 0 || from >= time || from_bin < 0 || from_bin >= bins) continue;
        sum += at(x, (from * bins + from_bin) * channels + c) * at(w, o * 9 * channels + n);
      }
      ASSERT_NEAR(y[static_cast<size_t>(i)], sum, 2e-5) << time << ' ' << bins << ' ' << channels;
    }
  }
}

TEST_P(SoundOps, ConvolutionOverTimeLooksBack) {
  const int64_t rows = 11, n = 37, kernel = 5;
  const Tensor x = random_tensor({rows, n}, 8), w = random_tensor({kernel, n}, 9);
  const auto y = run([&](CpuOps& ops) { return ops.depthwise_conv1d(x, w); });
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < kernel; ++k) {
        const int64_t from = t - kernel + 1 + k;
        if (from >= 0) sum += at(x, from * n + i) * at(w, k * n + i);
      }
      ASSERT_NEAR(y[static_cast<size_t>(t * n + i)], sum, 5e-6);
    }
  }
}

/** One head at one time, in double precision. */
std::vector<double> plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& r, int64_t t,
                                    int64_t first, int64_t dim, int64_t window, double cap) {
  const int64_t width = q.cols();
  std::vector<double> scores, out(static_cast<size_t>(dim));
  double total = 0;
  for (int64_t n = 0; n < window && n <= t; ++n) {
    double score = 0;
    for (int64_t i = first; i < first + dim; ++i) {
      score += at(q, t * width + i) * (at(k, (t - n) * width + i) + at(r, n * width + i));
    }
    scores.push_back(std::exp(cap * std::tanh(score / cap)));
    total += scores.back();
  }
  for (size_t n = 0; n < scores.size(); ++n) {
    for (int64_t i = 0; i < dim; ++i) {
      out[static_cast<size_t>(i)] += scores[n] / total * at(v, (t - static_cast<int64_t>(n)) * width + first + i);
    }
  }
  return out;
}

TEST_P(SoundOps, AttentionLooksBackAFewRows) {
  for (const int64_t dim : {8, 20}) {
    for (const int64_t window : {1, 4, 13}) {
      const int64_t rows = 29, width = 3 * dim;
      const Tensor q = random_tensor({rows, width}, 10), k = random_tensor({rows, width}, 11),
                   v = random_tensor({rows, width}, 12), r = random_tensor({13, width}, 13);
      const auto y = run([&](CpuOps& ops) { return ops.audio_attention(q, k, v, r, dim, window, 5.0f); });
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t first = 0; first < width; first += dim) {
          const auto truth = plain_attention(q, k, v, r, t, first, dim, window, 5.0);
          for (int64_t i = 0; i < dim; ++i) {
            ASSERT_NEAR(y[static_cast<size_t>(t * width + first + i)], truth[static_cast<size_t>(i)], 1e-5)
                << dim << ' ' << window << ' ' << t;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gemma::cpu
