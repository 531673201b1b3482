// SPDX-License-Identifier: Apache-2.0
// New keys and values go to their pages. Rows are coded side by side; then codes go to their places: of keys row by
// row, of values by panels of 32 places of a head, since tokens share bytes there.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cpu/attention_pages.h"
#include "cpu/cache_codec.h"
#include "cpu/cpu_ops.h"
#include "cpu/scratch.h"
#include "tensor/pack.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kSmallRows = 4096;  // values to code below which waking another thread costs more

struct Target {
  const AttentionPlan& plan;
  std::byte* pool;
  int64_t page_bytes;  // of one head
  std::byte* page(int64_t row, int64_t head) const {
    const int64_t slot = plan.slots[static_cast<size_t>(row)];
    return pool + (slot / plan.page_size * plan.kv_heads + head) * page_bytes;
  }
  int64_t slot(int64_t row) const { return plan.slots[static_cast<size_t>(row)] % plan.page_size; }
};

void write_plain(const Target& to, KvType type, const Tensor& rows) {
  const DType stored = stored_dtype(type);
  const int64_t dim = to.plan.head_dim, bytes = bytes_of(stored, dim);
  const float* from = rows.data<float>().data();
  for (int64_t r = 0; r < rows.rows(); ++r) {
    for (int64_t h = 0; h < to.plan.kv_heads; ++h, from += dim) {
      pack(stored, {from, static_cast<size_t>(dim)}, {to.page(r, h) + to.slot(r) * bytes, static_cast<size_t>(bytes)});
    }
  }
}

void write_coded(const Target& to, const CacheCodec& codec, bool keys, const Tensor& rows, ThreadPool& threads) {
  const std::span<const float> balance = keys ? to.plan.key_balance : std::span<const float>();
  const int64_t heads = to.plan.kv_heads, dim = to.plan.head_dim, vectors = rows.rows() * heads;
  static thread_local Scratch scratch;
  auto* const codes = reinterpret_cast<uint8_t*>(scratch.bytes(vectors * codec.padded()));
  const float* from = rows.data<float>().data();
  threads.parallel_for(vectors, std::max<int64_t>(1, kSmallRows / dim), [&](int64_t begin, int64_t end) {
    static thread_local Scratch numbers;
    float *x = numbers.floats(2 * dim + codec.groups()), *work = x + dim, *scales = work + dim;
    for (int64_t v = begin; v < end; ++v) {
      const int64_t row = v / heads, head = v % heads;
      uint8_t* own = codes + v * codec.padded();
      std::copy_n(from + v * dim, dim, x);
      for (size_t i = 0; i < balance.size(); ++i) x[i] /= balance[i];
      codec.encode(x, own, scales, work);
      if (keys) {
        codec.put_key(to.page(row, head), to.slot(row), own, scales);
      } else {
        codec.put_value_scales(to.page(row, head), to.plan.page_size, to.slot(row), scales);
      }
    }
  });
  if (keys) return;
  const int64_t panels = codec.blocks();
  threads.parallel_for(heads * panels, std::max<int64_t>(1, kSmallRows / (rows.rows() * kBlock)),
                       [&](int64_t begin, int64_t end) {
                         for (int64_t i = begin; i < end; ++i) {
                           const int64_t head = i / panels, panel = i % panels;
                           for (int64_t r = 0; r < rows.rows(); ++r) {
                             codec.put_value(to.page(r, head), to.plan.page_size, to.slot(r), panel,
                                             codes + (r * heads + head) * codec.padded());
                           }
                         }
                       });
}

}  // namespace

void CpuOps::write_kv(const AttentionPlan& plan, const Tensor& k, const Tensor& v) {
  check_plan(plan);
  GEMMA_CHECK(k.cols() == int64_t{plan.kv_heads} * plan.head_dim && v.shape() == k.shape(),
              "rows of kv_heads * head_dim");
  GEMMA_CHECK(std::ssize(plan.slots) == k.rows(), "a slot for every row");
  if (k.rows() == 0) return;
  const auto write = [&](Tensor pool, KvType type, bool keys, const Tensor& rows) {
    const Target to{plan, pool.raw_mutable().data(), kv_page_bytes(type, plan.page_size, plan.head_dim)};
    if (const CacheCodec* codec = codecs_->get(type, plan.head_dim)) {
      return write_coded(to, *codec, keys, rows, threads_);
    }
    write_plain(to, type, rows);
  };
  write(plan.keys, plan.types.keys, true, k);
  write(plan.values, plan.types.values, false, v);
}

}  // namespace gemma::cpu
