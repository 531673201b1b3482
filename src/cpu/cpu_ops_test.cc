// SPDX-License-Identifier: Apache-2.0
// Each operation against plain loops in double precision, with every kernel table of this machine and with one to four
// threads; and the promise that a row's bits depend on nothing but the row.
#include "cpu/cpu_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/kernels/select.h"
#include "cpu/packed_weights.h"
#include "tensor/ops.h"
#include "tensor/pack.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

constexpr DType kWeightTypes[] = {DType::f32,  DType::bf16, DType::f16,  DType::q8_0,   DType::q4_0,
                                  DType::q4_1, DType::q5_0, DType::q5_1, DType::q2_k,   DType::q3_k,
                                  DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs};

std::vector<float> random_values(int64_t n, int seed, float spread = 1.0f) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = normal(random);
  return values;
}

Tensor random_tensor(Shape shape, int seed, float spread = 1.0f) {
  return Tensor::from(std::span<const float>(random_values(shape.count(), seed, spread)), shape);
}

Tensor random_weight(DType type, Shape shape, int seed) {
  Tensor w = Tensor::host(type, shape);
  const std::span<std::byte> bytes = w.raw_mutable();
  if (!is_quantized(type)) {
    pack(type, random_values(shape.count(), seed), bytes);
    return w;
  }
  std::mt19937 random(static_cast<uint32_t>(seed));
  std::vector<float> values(static_cast<size_t>(info(type).block));
  const auto size = static_cast<size_t>(info(type).bytes);
  for (size_t i = 0; i < bytes.size(); i += size) {
    do {
      for (std::byte& b : bytes.subspan(i, size)) b = static_cast<std::byte>(random());
      unpack(type, bytes.subspan(i, size), values);
    } while (!std::ranges::all_of(values, [](float v) { return std::abs(v) < 100; }));
  }
  return w;
}

std::vector<float> values_of(const Tensor& t) {
  std::vector<float> values(static_cast<size_t>(t.shape().count()));
  unpack(t.dtype(), t.raw(), values);
  return values;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw().data(), b.raw().data(), a.raw().size()) == 0;
}

class CpuOpsTest : public testing::TestWithParam<const Kernels*> {
 protected:
  ThreadPool threads_{2};
  CpuOps ops_{threads_, *GetParam()};

  /** f(ops) with pools of one to four threads, and the results are equal to the bit. Returns one of them. */
  template <class F>
  Tensor with_any_threads(F f) {
    Tensor first;
    for (ThreadPool* pool : pools()) {
      CpuOps ops(*pool, *GetParam());
      const Tensor y = f(ops);
      if (pool->size() == 1) first = y;
      EXPECT_TRUE(same_bits(first, y)) << pool->size() << " threads";
    }
    return first;
  }

  /** Pools of one to four threads. */
  static std::vector<ThreadPool*> pools() {
    static ThreadPool one(1), two(2), three(3), four(4);
    return {&one, &two, &three, &four};
  }
};

INSTANTIATE_TEST_SUITE_P(All, CpuOpsTest, testing::ValuesIn(all_kernels()),
                         [](const auto& test) { return test.param->name; });

double dot(std::span<const float> a, std::span<const float> b, double* size = nullptr) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double product = static_cast<double>(a[i]) * static_cast<double>(b[i]);
    sum += product;
    if (size != nullptr) *size += std::abs(product);
  }
  return sum;
}

std::span<const float> row(const std::vector<float>& values, int64_t r, int64_t n) {
  return std::span(values).subspan(static_cast<size_t>(r * n), static_cast<size_t>(n));
}

// ---- products ----

TEST_P(CpuOpsTest, LinearIsTheProductInEveryType) {
  for (DType type : kWeightTypes) {
    const int64_t n = is_quantized(type) ? 512 : 90, out = 77;
    const Tensor w = random_weight(type, {out, n}, 1), x = random_tensor({9, n}, 2);
    const Tensor stored = ops_.linear(x, w), loaded = ops_.linear(x, ops_.prepare_weight(w));
    ASSERT_EQ(stored.shape(), Shape({9, out}));
    ASSERT_EQ(loaded.shape(), Shape({9, out}));
    // Activations have 8 bits beside the largest of 32, or the 8 bits of bf16, or are as they are.
    const double rounding = is_quantized(type) || type == DType::bf16 ? 4e-3 : 5e-7;
    ASSERT_TRUE(same_bits(stored, loaded)) << info(type).name;  // rows are packed when they are needed
    const auto wide = values_of(w), in = values_of(x), rounded = values_of(loaded);
    for (int64_t i = 0; i < 9; ++i) {
      for (int64_t r = 0; r < out; ++r) {
        double size = 0;
        const double truth = dot(row(wide, r, n), row(in, i, n), &size);
        ASSERT_NEAR(rounded[static_cast<size_t>(i * out + r)], truth, size * rounding) << info(type).name;
      }
    }
  }
}

TEST_P(CpuOpsTest, ClippedLinearIsTheSameAsItsPartsToTheBit) {
  const Bounds bounds{-0.9f, 1.1f, -2.0f, 1.5f};
  for (DType type : kWeightTypes) {
    const int64_t n = is_quantized(type) ? 512 : 90, out = 77;
    const Tensor w = random_weight(type, {out, n}, 1), loaded = ops_.prepare_weight(w);
    for (const int64_t rows : {0, 1, 13}) {
      const Tensor x = random_tensor({rows, n}, 2);
      const Tensor parts = ops_.clamp(ops_.linear(ops_.clamp(x, bounds.input_min, bounds.input_max), w),
                                      bounds.output_min, bounds.output_max);
      EXPECT_TRUE(same_bits(ops_.clipped_linear(x, w, bounds), parts)) << info(type).name;
      const Tensor y = with_any_threads([&](CpuOps& ops) { return ops.clipped_linear(x, loaded, bounds); });
      EXPECT_TRUE(same_bits(y, parts)) << info(type).name << ' ' << rows;
    }
  }
}

TEST_P(CpuOpsTest, LinearGivesARowTheSameBitsInAnyBatchAndWithAnyThreads) {
  for (DType type : kWeightTypes) {
    const int64_t n = is_quantized(type) ? 1280 : 1101, out = 150;  // more than one pass of a panel
    const Tensor stored = random_weight(type, {out, n}, 3), x = random_tensor({33, n}, 4);
    for (const Tensor& w : {stored, ops_.prepare_weight(stored)}) {
      std::vector<Tensor> alone;
      alone.reserve(33);
      for (int64_t i = 0; i < 33; ++i) alone.push_back(ops_.linear(x.slice(i, 1), w));
      for (int64_t rows : {2, 5, 6, 7, 12, 13, 33}) {
        const auto product = [&](CpuOps& ops) { return ops.linear(x.slice(0, rows), w); };
        const Tensor y = rows == 33 ? with_any_threads(product) : product(ops_);
        for (int64_t i = 0; i < rows; ++i) {
          ASSERT_TRUE(same_bits(y.slice(i, 1), alone[static_cast<size_t>(i)]))
              << info(type).name << ' ' << rows << ' ' << i;
        }
      }
    }
  }
}

TEST_P(CpuOpsTest, ManyRowsOfBf16GiveTheBitsOfOne) {
  const Bounds bounds{-0.9f, 1.1f, -20.0f, 15.0f};
  const int64_t n = 301, out = 77, rows = 200;
  const Tensor stored = random_weight(DType::bf16, {out, n}, 3), up = random_weight(DType::bf16, {out, n}, 4);
  const Tensor x = random_tensor({rows, n}, 5), up_loaded = ops_.prepare_weight(up);
  for (const Tensor& w : {stored, ops_.prepare_weight(stored)}) {
    const Tensor y = with_any_threads([&](CpuOps& ops) { return ops.clipped_linear(x, w, bounds); });
    const Tensor gated = with_any_threads([&](CpuOps& ops) { return ops.gated_linear(x, w, up_loaded); });
    for (int64_t i : {0, 95, 100, 199}) {
      EXPECT_TRUE(same_bits(y.slice(i, 1), ops_.clipped_linear(x.slice(i, 1), w, bounds))) << i;
      EXPECT_TRUE(same_bits(gated.slice(i, 1), ops_.gated_linear(x.slice(i, 1), w, up_loaded))) << i;
    }
  }
}

TEST_P(CpuOpsTest, LinearWithSeveralWeightsIsEachOfThem) {
  const Tensor a = random_weight(DType::q8_0, {40, 640}, 5), b = random_weight(DType::q4_0, {3, 640}, 6),
               c = random_weight(DType::bf16, {128, 640}, 7), x = random_tensor({5, 640}, 8);
  const Tensor* all[] = {&a, &b, &c};
  Tensor together[3];
  ops_.linear(x, all, together);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(together[i], ops_.linear(x, *all[i]))) << i;
}

TEST_P(CpuOpsTest, GatedLinearIsItsParts) {
  const std::pair<DType, DType> types[] = {{DType::q4_0, DType::q4_0},
                                           {DType::q4_k, DType::q6_k},
                                           {DType::bf16, DType::q8_0},
                                           {DType::f32, DType::q4_0},
                                           {DType::f16, DType::f16}};
  for (const auto& [gate_type, up_type] : types) {
    const Tensor gate = ops_.prepare_weight(random_weight(gate_type, {150, 512}, 5));
    const Tensor up = ops_.prepare_weight(random_weight(up_type, {150, 512}, 6));
    const Tensor* both[] = {&gate, &up};
    for (int64_t rows : {0, 1, 12, 13, 40}) {
      const Tensor x = random_tensor({rows, 512}, 7);
      Tensor parts[2];
      ops_.linear(x, both, parts);
      const Tensor y = with_any_threads([&](CpuOps& ops) { return ops.gated_linear(x, gate, up); });
      EXPECT_TRUE(same_bits(y, ops_.gated_gelu(parts[0], parts[1]))) << info(gate_type).name << ' ' << rows;
    }
  }
}

TEST_P(CpuOpsTest, LinearOfNoRows) {
  EXPECT_EQ(ops_.linear(random_tensor({0, 32}, 1), random_tensor({4, 32}, 2)).rows(), 0);
}

TEST_P(CpuOpsTest, EmbedReadsRowsOfAnyType) {
  for (DType type : kWeightTypes) {
    const Tensor table = random_weight(type, {20, 256}, 9);
    const std::vector<int32_t> ids{19, 0, 7, 7};
    const auto y = values_of(ops_.embed(table, ids, 1.5f)), all = values_of(table);
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t c = 0; c < 256; ++c) {
        ASSERT_EQ(y[i * 256 + c], all[static_cast<size_t>(ids[i]) * 256 + c] * 1.5f) << info(type).name;
      }
    }
  }
}

TEST_P(CpuOpsTest, RouteTakesTheBestAndTheLowerOfEquals) {
  const Tensor scores = Tensor::from(std::span<const float>(std::vector<float>{1, 3, 3, 2, 0, 0, 0, 0, 0, 5}), {2, 5});
  const Tensor scale = Tensor::from(std::span<const float>(std::vector<float>{1, 2, 3, 4, 0.5f}), {5});
  Routing routing{1, {7}, {7}};  // to be overwritten
  ops_.route(scores, 3, scale, routing);
  EXPECT_EQ(routing.index, (std::vector<int32_t>{1, 2, 3, 4, 0, 1}));
  const double e[] = {1, 1, std::exp(-1.0)}, sum = 2 + std::exp(-1.0);
  const double scales[] = {2, 3, 4};
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(routing.weight[i], e[i] / sum * scales[i], 1e-6);
}

struct MoeCase {
  DType type;
  int64_t experts, width, n, rows;
  int top_k;
};

std::vector<double> moe_truth(const MoeCase& c, const Tensor& x, const Routing& routing, const Tensor& gate_up,
                              const Tensor& down) {
  const auto in = values_of(x), up = values_of(gate_up), out = values_of(down);
  std::vector<double> y(static_cast<size_t>(c.rows * c.n));
  for (int64_t i = 0; i < c.rows * c.top_k; ++i) {
    const int64_t r = i / c.top_k, e = routing.index[static_cast<size_t>(i)];
    std::vector<float> hidden;
    for (int64_t j = 0; j < c.width; ++j) {
      const double g = dot(row(up, e * 2 * c.width + j, c.n), row(in, r, c.n));
      const double u = dot(row(up, e * 2 * c.width + c.width + j, c.n), row(in, r, c.n));
      const double inner = std::sqrt(2 / std::acos(-1.0)) * (g + 0.044715 * g * g * g);
      hidden.push_back(static_cast<float>(0.5 * g * (1 + std::tanh(inner)) * u));
    }
    for (int64_t j = 0; j < c.n; ++j) {
      y[static_cast<size_t>(r * c.n + j)] +=
          static_cast<double>(routing.weight[static_cast<size_t>(i)]) * dot(row(out, e * c.n + j, c.width), hidden);
    }
  }
  return y;
}

TEST_P(CpuOpsTest, MoeIsTheWeightedSumOfExperts) {
  for (const MoeCase& c : {MoeCase{DType::f32, 5, 24, 40, 7, 2}, MoeCase{DType::q8_0, 8, 64, 96, 13, 3},
                           MoeCase{DType::q5_0, 4, 32, 64, 1, 4}, MoeCase{DType::bf16, 3, 17, 31, 9, 1}}) {
    const Tensor x = random_tensor({c.rows, c.n}, 10, 0.3f);
    const Tensor gate_up = ops_.scale(random_tensor({c.experts, 2 * c.width, c.n}, 11), 0.2f);
    Tensor up = Tensor::host(c.type, {c.experts, 2 * c.width, c.n}),
           down = Tensor::host(c.type, {c.experts, c.n, c.width});
    pack(c.type, gate_up.data<float>(), up.raw_mutable());
    pack(c.type, random_values(down.shape().count(), 12, 0.2f), down.raw_mutable());
    Routing routing;
    ops_.route(random_tensor({c.rows, c.experts}, 13), c.top_k, random_tensor({c.experts}, 14), routing);
    const auto truth = moe_truth(c, x, routing, up, down);
    const double largest = std::abs(std::ranges::max(truth, {}, [](double v) { return std::abs(v); }));
    for (bool loaded : {false, true}) {
      const Tensor w_up = loaded ? ops_.prepare_weight(up) : up, w_down = loaded ? ops_.prepare_weight(down) : down;
      const double near = is_packable(c.type) ? 0.02 * largest : 2e-5;
      const Tensor y = with_any_threads([&](CpuOps& ops) { return ops.moe(x, routing, w_up, w_down); });
      ASSERT_TRUE(same_bits(y, ops_.moe(x, routing, up, down))) << info(c.type).name;  // rows are packed when needed
      const auto result = values_of(y);
      for (size_t i = 0; i < truth.size(); ++i) ASSERT_NEAR(result[i], truth[i], near) << info(c.type).name << ' ' << i;
      for (int64_t r = 0; r < c.rows; ++r) {  // a row alone
        Routing one{c.top_k, {}, {}};
        for (int i = 0; i < c.top_k; ++i) {
          one.index.push_back(routing.index[static_cast<size_t>(r * c.top_k + i)]);
          one.weight.push_back(routing.weight[static_cast<size_t>(r * c.top_k + i)]);
        }
        ASSERT_TRUE(same_bits(ops_.moe(x.slice(r, 1), one, w_up, w_down), y.slice(r, 1))) << r;
      }
    }
  }
}

// ---- rows ----

TEST_P(CpuOpsTest, RmsNormOfGroups) {
  const Tensor x = random_tensor({3, 48}, 20), w = random_tensor({16}, 21);
  const auto in = values_of(x), factors = values_of(w);
  const auto heads = values_of(ops_.rms_norm(x, &w, 1e-5f, 16)), bare = values_of(ops_.rms_norm(x, nullptr, 1e-5f, 16)),
             whole = values_of(ops_.rms_norm(x, nullptr, 1e-5f, 0));
  for (size_t g = 0; g < 9; ++g) {
    double sum = 0, all = 0;
    for (size_t i = 0; i < 16; ++i) sum += static_cast<double>(in[g * 16 + i]) * in[g * 16 + i];
    for (size_t i = 0; i < 48; ++i) all += static_cast<double>(in[g / 3 * 48 + i]) * in[g / 3 * 48 + i];
    for (size_t i = 0; i < 16; ++i) {
      const double normed = in[g * 16 + i] / std::sqrt(sum / 16 + 1e-5);
      ASSERT_NEAR(bare[g * 16 + i], normed, 1e-6);
      ASSERT_NEAR(heads[g * 16 + i], normed * factors[i], 2e-6);
      ASSERT_NEAR(whole[g * 16 + i], in[g * 16 + i] / std::sqrt(all / 48 + 1e-5), 1e-6);
    }
  }
}

TEST_P(CpuOpsTest, SmallParametersMayBeOfAnyType) {
  Tensor w = Tensor::host(DType::bf16, {32}), one = Tensor::host(DType::bf16, {1});
  pack(DType::bf16, random_values(32, 22), w.raw_mutable());
  pack(DType::bf16, std::vector<float>{0.5f}, one.raw_mutable());
  const Tensor wide = Tensor::from(std::span<const float>(values_of(w)), {32}), x = random_tensor({4, 32}, 23);
  EXPECT_TRUE(same_bits(ops_.rms_norm(x, &w, 1e-6f, 0), ops_.rms_norm(x, &wide, 1e-6f, 0)));
  EXPECT_TRUE(same_bits(ops_.add_norm(x, x, w, 1e-6f), ops_.add_norm(x, x, wide, 1e-6f)));
  EXPECT_TRUE(same_bits(ops_.mul(x, w), ops_.mul(x, wide)));
  EXPECT_TRUE(same_bits(ops_.scale(x, one), ops_.scale(x, 0.5f)));
}

TEST_P(CpuOpsTest, AddNormIsTheResidualPlusTheNorm) {
  const Tensor x = random_tensor({70, 1000}, 24), base = random_tensor({70, 1000}, 25), w = random_tensor({1000}, 26);
  EXPECT_TRUE(same_bits(ops_.add_norm(base, x, w, 1e-6f), ops_.add(base, ops_.rms_norm(x, &w, 1e-6f, 0))));
}

TEST_P(CpuOpsTest, MulByOneRowOrByAll) {
  const Tensor a = random_tensor({50, 900}, 27), b = random_tensor({1, 900}, 28), c = random_tensor({50, 900}, 29);
  const auto va = values_of(a), vb = values_of(b), vc = values_of(c), by_row = values_of(ops_.mul(a, b)),
             by_all = values_of(ops_.mul(a, c));
  for (size_t i = 0; i < va.size(); ++i) {
    ASSERT_EQ(by_row[i], va[i] * vb[i % 900]);
    ASSERT_EQ(by_all[i], va[i] * vc[i]);
  }
}

TEST_P(CpuOpsTest, RowOperationsAreTheSameForOneRowAndMany) {
  const Tensor x = random_tensor({40, 1003}, 30, 4.0f), z = random_tensor({40, 1003}, 31);
  const auto check = [&](auto f) {
    const Tensor all = with_any_threads([&](CpuOps& ops) { return f(ops, x, z); });
    for (int64_t i : {0, 1, 17, 39}) {
      EXPECT_TRUE(same_bits(f(ops_, x.slice(i, 1), z.slice(i, 1)), all.slice(i, 1))) << i;
    }
  };
  check([](CpuOps& ops, const Tensor& a, const Tensor&) { return ops.softcap(a, 30.0f); });
  check([](CpuOps& ops, const Tensor& a, const Tensor&) { return ops.softmax(a); });
  check([](CpuOps& ops, const Tensor& a, const Tensor&) { return ops.rms_norm(a, nullptr, 1e-6f, 0); });
  check([](CpuOps& ops, const Tensor& a, const Tensor& b) { return ops.add(a, b); });
}

/** The vector body and the masked rest of a kernel may differ in nothing, else the split over threads would show. */
TEST_P(CpuOpsTest, GatedGeluDoesNotShowWhereThreadsDivide) {
  const Tensor gate = random_tensor({1, 200003}, 32, 3.0f), up = random_tensor({1, 200003}, 33);
  with_any_threads([&](CpuOps& ops) { return ops.gated_gelu(gate, up); });
}

// ---- move ----

TEST_P(CpuOpsTest, RowsAndColumnsMove) {
  const Tensor x = random_tensor({5, 6}, 34), z = random_tensor({2, 6}, 35), w = random_tensor({5, 3}, 36);
  const auto vx = values_of(x), vz = values_of(z), vw = values_of(w);
  const std::vector<int32_t> rows{4, 0, 4}, places{3, 1};
  const auto gathered = values_of(ops_.gather_rows(x, rows)), scattered = values_of(ops_.scatter_rows(x, z, places)),
             middle = values_of(ops_.columns(x, 2, 3)), wide = values_of(ops_.concat_columns(x, w));
  for (size_t c = 0; c < 6; ++c) {
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(gathered[i * 6 + c], vx[static_cast<size_t>(rows[i]) * 6 + c]);
    EXPECT_EQ(scattered[3 * 6 + c], vz[c]);
    EXPECT_EQ(scattered[1 * 6 + c], vz[6 + c]);
    for (size_t r : {0u, 2u, 4u}) EXPECT_EQ(scattered[r * 6 + c], vx[r * 6 + c]);
  }
  for (size_t r = 0; r < 5; ++r) {
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(middle[r * 3 + c], vx[r * 6 + 2 + c]);
      EXPECT_EQ(wide[r * 9 + 6 + c], vw[r * 3 + c]);
    }
    for (size_t c = 0; c < 6; ++c) EXPECT_EQ(wide[r * 9 + c], vx[r * 6 + c]);
  }
  const Tensor blocks = random_weight(DType::q4_k, {3, 256}, 37);
  EXPECT_TRUE(same_bits(ops_.gather_rows(blocks, std::vector<int32_t>{2}), blocks.slice(2, 1)));
  std::vector<std::byte> bytes(x.raw().size());
  ops_.read(x, bytes);
  EXPECT_TRUE(same_bits(ops_.upload(DType::f32, x.shape(), bytes), x));
}

// ---- position ----

TEST_P(CpuOpsTest, RopeTakesF32AnglesAndLeavesZeroFrequencies) {
  const int64_t dim = 24, half = 12;
  std::vector<float> frequency(half, 0.0f);
  for (int i = 0; i < 7; ++i) frequency[static_cast<size_t>(i)] = std::pow(10000.0f, -static_cast<float>(i) / 12);
  frequency[3] = 0.0f;
  const Tensor x = random_tensor({3, 2 * dim}, 38);
  const std::vector<int32_t> positions{0, 77777, 1000000};
  const auto in = values_of(x), y = values_of(ops_.rope(x, positions, frequency, dim));
  for (size_t r = 0; r < 3; ++r) {
    for (size_t h = 0; h < 2; ++h) {
      for (size_t i = 0; i < 12; ++i) {
        const float angle = static_cast<float>(positions[r]) * frequency[i];
        const size_t at = r * 48 + h * 24 + i;
        const double a = in[at], b = in[at + 12], c = std::cos(static_cast<double>(angle)),
                     s = std::sin(static_cast<double>(angle));
        ASSERT_NEAR(y[at], a * c - b * s, 5e-7);
        ASSERT_NEAR(y[at + 12], b * c + a * s, 5e-7);
        if (frequency[i] == 0.0f) {
          ASSERT_EQ(y[at], in[at]);
        }
      }
    }
  }
}

TEST_P(CpuOpsTest, RopeTablesAreNotMixedUp) {
  const Tensor x = random_tensor({2, 8}, 39);
  for (int turn = 0; turn < 2; ++turn) {
    for (int32_t p = 0; p < 9; ++p) {
      const std::vector<int32_t> positions{p, p + 1};
      for (float base : {1.0f, 0.5f}) {
        const std::vector<float> frequency{base, 0.1f * base, 0.01f * base, 0.0f};
        const auto y = values_of(ops_.rope(x, positions, frequency, 8));
        const auto in = values_of(x);
        const double angle = static_cast<double>(static_cast<float>(p + 1) * base);
        ASSERT_NEAR(y[8], in[8] * std::cos(angle) - in[12] * std::sin(angle), 1e-6);
      }
    }
  }
}

// ---- ends ----

TEST_P(CpuOpsTest, CandidatesAreTheBestAndTheLogSumExp) {
  for (int64_t n : {1, 40, 1024, 30001}) {
    const Tensor logits = random_tensor({3, n}, 40, 5.0f);
    const auto values = values_of(logits);
    for (bool with_mask : {false, true}) {
      const int64_t words = (n + 31) / 32;
      std::vector<uint32_t> mask;
      std::mt19937 random(41);
      if (with_mask) {
        for (int64_t i = 0; i < 3 * words; ++i) mask.push_back(static_cast<uint32_t>(random()) | 1u);
      }
      const int k = 10;
      const auto result = ops_.candidates(logits, mask, k);
      ASSERT_EQ(result.size(), 3u);
      for (int64_t r = 0; r < 3; ++r) {
        std::vector<std::pair<float, int32_t>> order;
        double sum = 0;
        for (int64_t i = 0; i < n; ++i) {
          if (with_mask && !((mask[static_cast<size_t>(r * words + i / 32)] >> (i % 32)) & 1)) continue;
          const float v = values[static_cast<size_t>(r * n + i)];
          order.emplace_back(-v, static_cast<int32_t>(i));
          sum += std::exp(static_cast<double>(v));
        }
        std::ranges::sort(order);
        const Candidates& c = result[static_cast<size_t>(r)];
        ASSERT_EQ(c.ids.size(), std::min<size_t>(k, order.size()));
        for (size_t i = 0; i < c.ids.size(); ++i) {
          ASSERT_EQ(c.ids[i], order[i].second);
          ASSERT_EQ(c.values[i], -order[i].first);
        }
        ASSERT_NEAR(c.log_sum_exp, std::log(sum), 1e-6);
      }
    }
  }
}

TEST_P(CpuOpsTest, CandidatesOfEqualValuesAreTheLowestIds) {
  std::vector<float> values(50000, 1.0f);
  values[40000] = 2.0f;
  const auto result = ops_.candidates(Tensor::from(std::span<const float>(values), {1, 50000}), {}, 3);
  EXPECT_EQ(result[0].ids, (std::vector<int32_t>{40000, 0, 1}));
}

TEST_P(CpuOpsTest, CandidatesOfNothingAllowed) {
  const std::vector<uint32_t> none(2, 0);
  const auto result = ops_.candidates(random_tensor({1, 40}, 42), none, 3);
  EXPECT_TRUE(result[0].ids.empty());
  EXPECT_EQ(result[0].log_sum_exp, -std::numeric_limits<double>::infinity());
}

TEST(CpuOps, TemporariesAreReused) {
  ThreadPool threads(1);
  CpuOps ops(threads, kernels());
  const Tensor x = random_tensor({4, 100}, 43);
  const std::byte* first = ops.add(x, x).raw().data();
  EXPECT_EQ(ops.add(x, x).raw().data(), first);
  const Tensor kept = ops.add(x, x);
  EXPECT_NE(ops.add(x, x).raw().data(), kept.raw().data());
}

TEST(CpuOps, ATensorMayOutliveItsOps) {
  ThreadPool threads(1);
  Tensor y;
  {
    CpuOps ops(threads, kernels());
    y = ops.scale(Tensor::from(std::span<const float>(std::vector<float>{1, 2}), {1, 2}), 2.0f);
  }
  EXPECT_EQ(y.data<float>()[1], 4.0f);
}

}  // namespace
}  // namespace gemma::cpu
