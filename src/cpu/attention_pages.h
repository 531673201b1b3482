// SPDX-License-Identifier: Apache-2.0
// How attention reads a page: the scores of some queries with its keys, and the weighted sum of its values, whatever
// the page is made of. A query's results do not depend on the queries beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cpu/cache_codec.h"
#include "cpu/kernels/kernels.h"
#include "tensor/attention_plan.h"

namespace gemma::cpu {

/** The pools of a plan hold whole pages of its types. */
void check_plan(const AttentionPlan& plan);

/** The pages of keys, or of values: where they lie and what they are made of. */
class PoolPages {
 protected:
  PoolPages(const Kernels& kernels, const AttentionPlan& plan, const Tensor& pool, KvType type, CacheCodecs& codecs);
  const std::byte* page_at(int64_t page, int64_t kv_head) const {
    return data_ + (page * kv_heads_ + kv_head) * page_bytes_;
  }

  const Kernels& kernels_;
  const std::byte* data_;
  int64_t kv_heads_, page_size_, dim_, page_bytes_;
  size_t plain_;             // the type of plain pages
  const CacheCodec* codec_;  // of coded pages, else null
};

class KeyPages : PoolPages {
 public:
  KeyPages(const Kernels& kernels, const AttentionPlan& plan, CacheCodecs& codecs);
  /** Floats that `vectors` prepared queries take. */
  int64_t prepared_floats(int64_t vectors) const;
  /** q [vectors, head_dim], which may be written to, in the form that scores() wants. */
  void prepare(float* q, int64_t vectors, float* prepared) const;
  /** scores[v * page_size + slot] for slots begin .. end - 1 of a page; others of the page may be written too. */
  void scores(int64_t page, int64_t kv_head, int64_t begin, int64_t end, const float* prepared, int64_t vectors,
              float* scores) const;

 private:
  std::span<const float> balance_;
};

class ValuePages : PoolPages {
 public:
  ValuePages(const Kernels& kernels, const AttentionPlan& plan, CacheCodecs& codecs);
  /** Floats of a sum: head_dim, or more where pages are coded. */
  int64_t width() const { return codec_ != nullptr ? codec_->padded() : dim_; }
  /** Whether vectors with different ranges may go together. */
  bool mixes_ranges() const { return codec_ != nullptr; }
  /** sums[v * width] = itself * correction[v] + sum over slots of weights[v * page_size + slot] * value; ranges[v] says
   *  which slots, at least one. */
  void add(int64_t page, int64_t kv_head, const float* weights, const KeyRange* ranges, const float* correction,
           int64_t vectors, float* sums) const;
  /** A sum becomes the values' own: head_dim floats. */
  void restore(float* sum) const;

 private:
  void add_coded(const std::byte* page, const float* weights, const KeyRange* ranges, const float* correction,
                 int64_t vectors, bool prefetch, float* sums) const;
};

}  // namespace gemma::cpu
