// SPDX-License-Identifier: Apache-2.0
// Of many experts those that nobody chose are not read: their memory is locked meanwhile, and whoever reads it ends the
// program.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/testing/on_every_table.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kExperts = 16, kWidth = 256, kDim = 512;

Tensor random_experts(DType type, Shape shape) {
  Tensor w = Tensor::host(type, shape);
  pack(type, normal_values(shape.count(), 1), w.raw_mutable());
  return w;
}

/** No whole page of the experts that are not in `chosen` can be read while this lives. */
class Locked {
 public:
  Locked(const Tensor& experts, std::span<const int32_t> chosen) {
    const auto bytes = experts.raw();
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const size_t each = bytes.size() / kExperts;
    for (int32_t e = 0; e < kExperts; ++e) {
      if (std::ranges::find(chosen, e) != chosen.end()) continue;
      const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) + static_cast<size_t>(e) * each;
      const uintptr_t first = (begin + page - 1) / page * page, last = (begin + each) / page * page;
      pages_.emplace_back(first, last - first);
      set(pages_.back(), PROT_NONE);
    }
  }
  ~Locked() {
    for (const Pages& pages : pages_) set(pages, PROT_READ | PROT_WRITE);
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  int64_t count() const { return std::ssize(pages_); }

 private:
  using Pages = std::pair<uintptr_t, size_t>;
  static void set(const Pages& pages, int rights) {
    EXPECT_GT(pages.second, 0u);
    EXPECT_EQ(mprotect(reinterpret_cast<void*>(pages.first), pages.second, rights), 0);
  }

  std::vector<Pages> pages_;
};

using Moe = OnEveryTable;

TEST_P(Moe, ExpertsThatNobodyChoseAreNotRead) {
  for (const DType type : {DType::q4_0, DType::q6_k, DType::bf16, DType::f16, DType::f32}) {
    const Tensor up = random_experts(type, {kExperts, 2 * kWidth, kDim}),
                 down = random_experts(type, {kExperts, kDim, kWidth});
    for (const int64_t rows : {1, 3, 40}) {
      Routing routing{2, {}, {}};
      for (int64_t i = 0; i < rows; ++i) {
        routing.index.insert(routing.index.end(), {static_cast<int32_t>(3 + i % 3), 11});
        routing.weight.insert(routing.weight.end(), {0.75f, 0.25f});
      }
      const Tensor x = random_tensor({rows, kDim}, 2);
      run([&](CpuOps& ops) {
        const Tensor w_up = ops.prepare_weight(up), w_down = ops.prepare_weight(down);
        const Tensor open = ops.moe(x, routing, w_up, w_down);
        const Locked no_up(w_up, routing.index), no_down(w_down, routing.index);
        EXPECT_EQ(no_up.count(), kExperts - 1 - std::min<int64_t>(rows, 3));
        const Tensor y = ops.moe(x, routing, w_up, w_down);
        EXPECT_TRUE(std::ranges::equal(y.raw(), open.raw())) << info(type).name << " " << rows;
        return y;
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Moe, testing::ValuesIn(all_kernels()),
                         [](const auto& table) { return std::string(table.param->name); });

}  // namespace
}  // namespace gemma::cpu
