// SPDX-License-Identifier: Apache-2.0
#include "cpu/attention_pages.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "cpu/tiles.h"

namespace gemma::cpu {
void check_plan(const AttentionPlan& plan) {
  GEMMA_CHECK(plan.page_size > 0 && plan.kv_heads > 0 && plan.head_dim > 0, "a plan with sizes");
  for (const auto& [pool, type] :
       {std::pair(&plan.keys, plan.types.keys), std::pair(&plan.values, plan.types.values)}) {
    GEMMA_CHECK(
        pool->defined() && pool->bytes() % (kv_page_bytes(type, plan.page_size, plan.head_dim) * plan.kv_heads) == 0,
        "a pool of whole pages");
    GEMMA_CHECK(pool->dtype() == stored_dtype(type), "a pool of the plan's type");
  }
}

PoolPages::PoolPages(const Kernels& kernels, const AttentionPlan& plan, const Tensor& pool, KvType type,
                     CacheCodecs& codecs)
    : kernels_(kernels),
      data_(pool.raw().data()),
      kv_heads_(plan.kv_heads),
      page_size_(plan.page_size),
      dim_(plan.head_dim),
      page_bytes_(kv_page_bytes(type, plan.page_size, plan.head_dim)),
      plain_(static_cast<size_t>(pool.dtype())),
      codec_(codecs.get(type, plan.head_dim)) {}

KeyPages::KeyPages(const Kernels& kernels, const AttentionPlan& plan, CacheCodecs& codecs)
    : PoolPages(kernels, plan, plan.keys, plan.types.keys, codecs), balance_(plan.key_balance) {}

// Coded: for each tile of queries its integers, [block][row][32]; behind those of all tiles what the integers mean,
// [group][row].
int64_t KeyPages::prepared_floats(int64_t vectors) const {
  if (codec_ == nullptr) return vectors * dim_;
  static_assert(sizeof(CacheQuery) == 2 * sizeof(float));
  return vectors * (codec_->padded() / 4 + 2 * codec_->groups());
}

void KeyPages::prepare(float* q, int64_t vectors, float* prepared) const {
  if (codec_ == nullptr) {
    std::copy_n(q, vectors * dim_, prepared);
    return;
  }
  auto* integers = reinterpret_cast<int8_t*>(prepared);
  auto* queries = reinterpret_cast<CacheQuery*>(prepared + vectors * codec_->padded() / 4);
  const int64_t group = codec_->group_blocks() * kBlock;
  for_tiles(vectors, kCacheRows, [&](int64_t first, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) {
      float* x = q + (first + r) * dim_;
      if (!balance_.empty()) kernels_.mul(x, balance_.data(), dim_, x);
      codec_->rotation().apply(x);
      for (int64_t g = 0; g < codec_->groups(); ++g) {
        int8_t* to = integers + first * codec_->padded() + (g * codec_->group_blocks() * rows + r) * kBlock;
        kernels_.cache_query(x + g * group, std::min(group, dim_ - g * group), to, rows * kBlock,
                             queries + first * codec_->groups() + g * rows + r);
      }
    }
  });
}

void KeyPages::scores(int64_t page, int64_t kv_head, int64_t begin, int64_t end, const float* prepared, int64_t vectors,
                      float* scores) const {
  const std::byte* keys = page_at(page, kv_head);
  if (codec_ == nullptr) {
    const int64_t row_bytes = page_bytes_ / page_size_;
    kernels_.product[plain_]({keys + begin * row_bytes, row_bytes, end - begin}, prepared, dim_, vectors, dim_,
                             scores + begin, page_size_);
    return;
  }
  const auto* integers = reinterpret_cast<const int8_t*>(prepared);
  const auto* queries = reinterpret_cast<const CacheQuery*>(prepared + vectors * codec_->padded() / 4);
  const auto product = kernels_.cache_scores[static_cast<size_t>(codec_->kind())];
  for (int64_t panel = begin / kPanelRows; panel * kPanelRows < end; ++panel) {
    for_tiles(vectors, kCacheRows, [&](int64_t first, int64_t rows) {
      product(codec_->key_panel(keys, panel), codec_->blocks(), codec_->group_blocks(), codec_->levels(),
              integers + first * codec_->padded(), queries + first * codec_->groups(), rows, first == 0,
              scores + first * page_size_ + panel * kPanelRows, page_size_);
    });
  }
}

ValuePages::ValuePages(const Kernels& kernels, const AttentionPlan& plan, CacheCodecs& codecs)
    : PoolPages(kernels, plan, plan.values, plan.types.values, codecs) {}

void ValuePages::add(int64_t page, int64_t kv_head, const float* weights, const KeyRange* ranges,
                     const float* correction, int64_t vectors, float* sums) const {
  const std::byte* values = page_at(page, kv_head);
  if (codec_ == nullptr) {
    const int64_t begin = ranges[0].begin, count = ranges[0].end - begin;
    kernels_.weighted_sum[plain_](weights + begin, page_size_, correction, vectors,
                                  values + begin * (page_bytes_ / page_size_), count, dim_, sums);
    return;
  }
  for_tiles(vectors, kCacheRows, [&](int64_t first, int64_t rows) {
    add_coded(values, weights + first * page_size_, ranges + first, correction + first, rows, first == 0,
              sums + first * width());
  });
}

void ValuePages::add_coded(const std::byte* page, const float* weights, const KeyRange* ranges, const float* correction,
                           int64_t vectors, bool prefetch, float* sums) const {
  alignas(64) int8_t digits[2 * kCacheRows * kKvMostPage];  // [block][row][high, low][32]
  CacheWeights meaning[kCacheRows];
  const auto product = kernels_.cache_values[static_cast<size_t>(codec_->kind())];
  for (int64_t g = 0; g < codec_->groups(); ++g) {
    for (int64_t v = 0; v < vectors; ++v) {
      kernels_.cache_digits(weights + v * page_size_, codec_->value_scales(page, page_size_, g), ranges[v].begin,
                            ranges[v].end, page_size_, digits + v * 2 * kBlock, vectors * 2 * kBlock, meaning + v);
      meaning[v].correction = correction[v];
    }
    const int64_t first = g * codec_->group_blocks(), end = std::min(first + codec_->group_blocks(), codec_->blocks());
    for (int64_t panel = first; panel < end; ++panel) {
      product(codec_->value_panel(page, page_size_, panel), page_size_ / kBlock, codec_->levels(), digits, meaning,
              vectors, prefetch, sums + panel * kPanelRows, width());
    }
  }
}

void ValuePages::restore(float* sum) const {
  if (codec_ != nullptr) codec_->rotation().undo(sum);
}

}  // namespace gemma::cpu
