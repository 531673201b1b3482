// SPDX-License-Identifier: Apache-2.0
// What tests of ops share: every kernel table of this machine, any number of threads, the same bits.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/select.h"
#include "cpu/testing/values.h"

namespace gemma::cpu {

inline Tensor random_tensor(Shape shape, int seed) {
  return Tensor::from(std::span<const float>(normal_values(shape.count(), seed)), shape);
}

/** Runs ops with each kernel table of this machine and with one to four threads. */
class OnEveryTable : public testing::TestWithParam<const Kernels*> {
 protected:
  /** f(ops) with pools of one to four threads: equal to the bit. Returns the values. */
  template <class F>
  std::vector<float> run(F f) {
    std::vector<float> first;
    for (int threads = 1; threads <= 4; ++threads) {
      ThreadPool pool(threads);
      CpuOps ops(pool, *GetParam());
      const Tensor y = f(ops);
      const auto values = y.template data<float>();
      if (threads == 1) first.assign(values.begin(), values.end());
      EXPECT_EQ(first.size(), values.size());
      if (values.empty()) continue;
      EXPECT_EQ(std::memcmp(first.data(), values.data(), values.size_bytes()), 0) << threads << " threads";
    }
    return first;
  }
};

}  // namespace gemma::cpu
