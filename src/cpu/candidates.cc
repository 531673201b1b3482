// SPDX-License-Identifier: Apache-2.0
// The best of each row of logits and its log-sum-exp, in blocks of fixed size that are joined in order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/cpu_ops.h"
#include "cpu/buffer_pool.h"
#include "cpu/kernels/kernels.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kBlockSize = 16384;  // a multiple of the 32 bits of a mask word
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
  std::vector<Choice> best;
};

/** The k best of values that are above -infinity (a masked id has -infinity), in any order. */
std::vector<Choice> best_of(std::span<const float> values, int64_t first_id, int k) {
  std::vector<Choice> heap;  // the worst kept one in front
  heap.reserve(static_cast<size_t>(std::min<int64_t>(k, static_cast<int64_t>(values.size()))));
  float bar = kNone;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > bar)) continue;
    if (static_cast<int>(heap.size()) == k) {
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    heap.push_back({values[i], static_cast<int32_t>(first_id + static_cast<int64_t>(i))});
    std::push_heap(heap.begin(), heap.end());
    if (static_cast<int>(heap.size()) == k) bar = heap.front().value;
  }
  return heap;
}

void apply_mask(const float* logits, std::span<const uint32_t> words, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = (words[static_cast<size_t>(i / 32)] >> (i % 32)) & 1 ? logits[i] : kNone;
  }
}

Candidates join(std::span<Block> blocks, float max, int k) {
  Candidates result;
  double sum = 0;
  std::vector<Choice> best;
  for (const Block& block : blocks) {
    sum += block.sum;
    best.insert(best.end(), block.best.begin(), block.best.end());
  }
  result.log_sum_exp = max == kNone ? static_cast<double>(kNone) : static_cast<double>(max) + std::log(sum);
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
    threads_.parallel_for(rows * per_row, 2, [&](int64_t begin, int64_t end) {
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
    block.best = best_of({values + row * n + at, static_cast<size_t>(count)}, at, k);
  });
  std::vector<Candidates> result;
  for (int64_t row = 0; row < rows; ++row) {
    const auto at = static_cast<size_t>(row * per_row);
    result.push_back(join(std::span(blocks).subspan(at, static_cast<size_t>(per_row)), max[static_cast<size_t>(row)], k));
  }
  return result;
}

}  // namespace gemma::cpu
