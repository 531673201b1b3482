// SPDX-License-Identifier: Apache-2.0
// The best of each row of logits and its log-sum-exp, in blocks of fixed size that are joined in order.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "base/error.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "tensor/ops.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kBlockSize = 1024;  // a multiple of the 32 bits of a mask word
constexpr float kNone = -std::numeric_limits<float>::infinity();

struct Choice {
  float value;
  int32_t id;
  bool operator<(const Choice& other) const {  // better first
    return value > other.value || (value == other.value && id < other.id);
  }
};

struct Block {
  float max = kNone;
  double sum = 0;
};

/** A value that the k best all reach: the k-th largest of the maxima of blocks, each of which is one value. */
float reached_by_best(std::span<const Block> blocks, int k) {
  if (static_cast<int64_t>(blocks.size()) < k) return kNone;
  std::vector<float> maxima;
  for (const Block& block : blocks) maxima.push_back(block.max);
  const auto kth = maxima.begin() + (k - 1);
  std::nth_element(maxima.begin(), kth, maxima.end(), std::greater<>());
  return *kth;
}

void apply_mask(const float* logits, std::span<const uint32_t> words, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = (words[static_cast<size_t>(i / 32)] >> (i % 32)) & 1 ? logits[i] : kNone;
  }
}

/** The k best of a row, from the blocks that can hold one of them. */
Candidates best_of(const float* values, int64_t n, std::span<const Block> blocks, float max, int k) {
  Candidates result;
  double sum = 0;
  for (const Block& block : blocks) sum += block.sum;
  result.log_sum_exp = max == kNone ? static_cast<double>(kNone) : static_cast<double>(max) + std::log(sum);
  const float bar = reached_by_best(blocks, k);
  std::vector<Choice> best;
  for (size_t b = 0; b < blocks.size(); ++b) {
    if (!(blocks[b].max >= bar)) continue;
    const int64_t first = static_cast<int64_t>(b) * kBlockSize;
    for (int64_t i = first; i < std::min(n, first + kBlockSize); ++i) {
      if (values[i] >= bar && values[i] > kNone) best.push_back({values[i], static_cast<int32_t>(i)});
    }
  }
  const size_t count = std::min(best.size(), static_cast<size_t>(k));
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(count), best.end());
  for (size_t i = 0; i < count; ++i) {
    result.ids.push_back(best[i].id);
    result.values.push_back(best[i].value);
  }
  return result;
}

}  // namespace

std::vector<Candidates> CpuOps::candidates(const Tensor& logits, std::span<const uint32_t> allowed, int k) {
  GEMMA_CHECK(logits.dtype() == DType::f32 && k > 0, "f32 logits and at least one candidate");
  const int64_t rows = logits.rows(), n = logits.cols(), words = (n + 31) / 32;
  GEMMA_CHECK(allowed.empty() || static_cast<int64_t>(allowed.size()) == rows * words, "a mask for every row");
  const int64_t per_row = (n + kBlockSize - 1) / kBlockSize;
  const float* values = logits.data<float>().data();
  Tensor masked;
  float* copy = nullptr;
  if (!allowed.empty()) {
    masked = make(rows, n);
    values = copy = masked.data_mutable<float>().data();
  }
  const float* raw = logits.data<float>().data();
  std::vector<Block> blocks(static_cast<size_t>(rows * per_row));
  const auto for_blocks = [&](auto body) {
    threads_.parallel_for(rows * per_row, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / per_row, at = i % per_row * kBlockSize;
        body(blocks[static_cast<size_t>(i)], row, at, std::min(kBlockSize, n - at));
      }
    });
  };
  for_blocks([&](Block& block, int64_t row, int64_t at, int64_t count) {
    if (copy != nullptr) {
      apply_mask(raw + row * n + at, allowed.subspan(static_cast<size_t>(row * words + at / 32)), count,
                 copy + row * n + at);
    }
    block.max = kernels_.max(values + row * n + at, count);
  });
  std::vector<float> max(static_cast<size_t>(rows), kNone);
  for (size_t i = 0; i < blocks.size(); ++i) {
    float& m = max[i / static_cast<size_t>(per_row)];
    m = std::max(m, blocks[i].max);
  }
  for_blocks([&](Block& block, int64_t row, int64_t at, int64_t count) {
    const float largest = max[static_cast<size_t>(row)];
    if (largest == kNone) return;
    block.sum = kernels_.sum_exp(values + row * n + at, count, largest);
  });
  std::vector<Candidates> result(static_cast<size_t>(rows));
  threads_.parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto mine =
          std::span<const Block>(blocks).subspan(static_cast<size_t>(row * per_row), static_cast<size_t>(per_row));
      result[static_cast<size_t>(row)] = best_of(values + row * n, n, mine, max[static_cast<size_t>(row)], k);
    }
  });
  return result;
}

}  // namespace gemma::cpu
