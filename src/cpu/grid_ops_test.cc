// SPDX-License-Identifier: Apache-2.0
// What encoders of pictures ask of the processor, against plain loops in double precision; with every kernel table of
// this machine, and equal to the bit with one to four threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "cpu/testing/on_every_table.h"

namespace gemma::cpu {
namespace {

class GridOps : public OnEveryTable {};

INSTANTIATE_TEST_SUITE_P(All, GridOps, testing::ValuesIn(all_kernels()),
                         [](const auto& test) { return test.param->name; });

TEST_P(GridOps, AddAndMulTakeOneRowForAll) {
  const Tensor x = random_tensor({5, 37}, 1), row = random_tensor({37}, 2);
  const auto sum = run([&](CpuOps& ops) { return ops.add(x, row); });
  const auto product = run([&](CpuOps& ops) { return ops.mul(x, row); });
  for (size_t i = 0; i < sum.size(); ++i) {
    EXPECT_EQ(sum[i], x.data<float>()[i] + row.data<float>()[i % 37]);
    EXPECT_EQ(product[i], x.data<float>()[i] * row.data<float>()[i % 37]);
  }
}

TEST_P(GridOps, ClampOfATensor) {
  const Tensor x = random_tensor({300, 331}, 3);
  const auto y = run([&](CpuOps& ops) { return ops.clamp(x, -0.25f, 1.5f); });
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], std::clamp(x.data<float>()[i], -0.25f, 1.5f));
}

TEST_P(GridOps, RopeByColumnAndRow) {
  for (const int64_t dim : {4, 12, 64, 72}) {
    const int64_t columns = 5, rows = 35, heads = 3, pairs = dim / 4;
    std::vector<float> frequency(static_cast<size_t>(pairs));
    for (int64_t i = 0; i < pairs; ++i) frequency[static_cast<size_t>(i)] = std::pow(100.0f, -4.0f * i / dim);
    const Tensor x = random_tensor({rows, heads * dim}, 4);
    const auto in = x.data<float>();
    const auto y = run([&](CpuOps& ops) { return ops.rope_2d(x, columns, frequency, dim); });
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t h = 0; h < 2 * heads; ++h) {  // halves of heads
        const int64_t place = h % 2 == 0 ? r % columns : r / columns, at = (r * 2 * heads + h) * dim / 2;
        for (int64_t i = 0; i < pairs; ++i) {
          const double angle = static_cast<double>(static_cast<float>(place) * frequency[static_cast<size_t>(i)]);
          const double a = in[static_cast<size_t>(at + i)], b = in[static_cast<size_t>(at + pairs + i)];
          ASSERT_NEAR(y[static_cast<size_t>(at + i)], a * std::cos(angle) - b * std::sin(angle), 2e-6) << dim;
          ASSERT_NEAR(y[static_cast<size_t>(at + pairs + i)], b * std::cos(angle) + a * std::sin(angle), 2e-6) << dim;
        }
      }
    }
  }
}

/** One head of softmax(q . k) v in double precision. */
std::vector<double> plain_attention(std::span<const float> q, std::span<const float> k, std::span<const float> v,
                                    int64_t row, int64_t rows, int64_t width, int64_t first, int64_t dim) {
  const auto at = [&](int64_t r, int64_t i) { return static_cast<size_t>(r * width + first + i); };
  std::vector<double> weights(static_cast<size_t>(rows)), out(static_cast<size_t>(dim));
  double largest = -1e300, total = 0;
  for (int64_t j = 0; j < rows; ++j) {
    double score = 0;
    for (int64_t i = 0; i < dim; ++i) score += double{q[at(row, i)]} * double{k[at(j, i)]};
    weights[static_cast<size_t>(j)] = score;
    largest = std::max(largest, score);
  }
  for (double& w : weights) total += w = std::exp(w - largest);
  for (int64_t j = 0; j < rows; ++j) {
    for (int64_t i = 0; i < dim; ++i) {
      out[static_cast<size_t>(i)] += weights[static_cast<size_t>(j)] / total * double{v[at(j, i)]};
    }
  }
  return out;
}

TEST_P(GridOps, AttentionWithoutMask) {
  for (const int64_t dim : {12, 64, 72}) {
    for (const int64_t rows : {1, 9, 128, 131, 307}) {  // less than a block, a whole one, more
      const int64_t heads = 2, width = heads * dim;
      const Tensor q = random_tensor({rows, width}, 5), k = random_tensor({rows, width}, 6),
                   v = random_tensor({rows, width}, 7);
      const auto y = run([&](CpuOps& ops) { return ops.attention_dense(q, ops.dense_keys(k, v, dim)); });
      for (int64_t r = 0; r < rows; r += 1 + rows / 7) {
        for (int64_t h = 0; h < heads; ++h) {
          const auto truth =
              plain_attention(q.data<float>(), k.data<float>(), v.data<float>(), r, rows, width, h * dim, dim);
          for (int64_t i = 0; i < dim; ++i) {
            ASSERT_NEAR(y[static_cast<size_t>(r * width + h * dim + i)], truth[static_cast<size_t>(i)], 3e-5)
                << dim << ' ' << rows << ' ' << r;
          }
        }
      }
    }
  }
}

/** Some queries alone come to the same as among all. */
TEST_P(GridOps, AttentionOfSomeRows) {
  const int64_t rows = 307, width = 128;
  const Tensor q = random_tensor({rows, width}, 5), k = random_tensor({rows, width}, 6),
               v = random_tensor({rows, width}, 7);
  const auto all = run([&](CpuOps& ops) { return ops.attention_dense(q, ops.dense_keys(k, v, 64)); });
  for (const auto& [first, count] : {std::pair{0, 1}, {1, 130}, {131, 176}}) {
    const auto some =
        run([&](CpuOps& ops) { return ops.attention_dense(q.slice(first, count), ops.dense_keys(k, v, 64)); });
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + first * width)) << first;
    EXPECT_EQ(std::ssize(some), count * width);
  }
}

TEST_P(GridOps, AttentionOfNothingIsNothing) {
  const Tensor none = Tensor::host(DType::f32, {0, 64});
  EXPECT_TRUE(run([&](CpuOps& ops) { return ops.attention_dense(none, ops.dense_keys(none, none, 64)); }).empty());
}

TEST_P(GridOps, PoolIsTheMeanOfACellTimesAFactor) {
  for (const int64_t kernel : {1, 2, 3}) {
    const int64_t columns = 4 * kernel, rows = columns * 3 * kernel, n = 19;
    const Tensor x = random_tensor({rows, n}, 8);
    const auto in = x.data<float>();
    const auto y = run([&](CpuOps& ops) { return ops.pool(x, columns, kernel, 5.0f); });
    ASSERT_EQ(std::ssize(y), 12 * n);
    for (int64_t cell = 0; cell < 12; ++cell) {
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int64_t dy = 0; dy < kernel; ++dy) {
          for (int64_t dx = 0; dx < kernel; ++dx) {
            sum += in[static_cast<size_t>(((cell / 4 * kernel + dy) * columns + cell % 4 * kernel + dx) * n + i)];
          }
        }
        ASSERT_NEAR(y[static_cast<size_t>(cell * n + i)], sum * 5 / static_cast<double>(kernel * kernel), 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace gemma::cpu
