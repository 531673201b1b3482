// SPDX-License-Identifier: Apache-2.0
// Ops on the processor: each call runs at once, over the threads of one pool, with the kernels of one table.
//
//   ThreadPool pool;
//   std::unique_ptr<Ops> ops = make_cpu_ops(pool);
//   Tensor y = ops->linear(x, w);
//
// Weights are packed for the vector units as they are loaded; quantized ones meet activations in 8 bits with a scale
// for 32 values, bf16 ones in bf16, f16 ones in f32 (cpu/kernels/packed.h). f32 weights stay as they are and meet f32
// activations.
//
// A row's bits depend on that row alone: activations are rounded row by row, and a product sums along k in one order
// for one row and many; attention goes by pages and fixed spans of pages (attention.h). Threads divide what is
// computed, never how. One CpuOps, and the tensors it makes, belong to one thread at a time.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/weight_memory.h"
#include "tensor/ops.h"

namespace gemma::cpu {

struct Kernels;
class BufferPool;
class CacheCodecs;
class RopeTables;
struct Grouping;
struct Weight;

class CpuOps final : public Ops {
 public:
  CpuOps(ThreadPool& threads, const Kernels& kernels);
  ~CpuOps() override;
  CpuOps(const CpuOps&) = delete;
  CpuOps& operator=(const CpuOps&) = delete;

  using Ops::linear;
  Tensor upload(DType dtype, const Shape& shape, std::span<const std::byte> bytes) override;
  Tensor allocate(DType dtype, const Shape& shape) override;
  Tensor load_rows(DType dtype, const Shape& shape, const ReadRows& read) override;
  Tensor load_weight(DType dtype, const Shape& shape, const ReadRows& read) override;
  int64_t weight_bytes(DType dtype, const Shape& shape) const override;
  Tensor prepare_weight(Tensor w) override;
  void read(const Tensor& x, std::span<std::byte> out) override;
  Tensor gather_rows(const Tensor& x, std::span<const int32_t> rows) override;
  Tensor scatter_rows(const Tensor& base, const Tensor& rows, std::span<const int32_t> at) override;
  Tensor columns(const Tensor& x, int64_t first, int64_t n) override;
  Tensor concat_columns(const Tensor& a, const Tensor& b) override;

  Tensor rms_norm(const Tensor& x, const Tensor* weight, float eps, int64_t group) override;
  Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor* bias, float eps) override;
  Tensor add(const Tensor& a, const Tensor& b) override;
  Tensor add_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, float eps) override;
  Tensor mul(const Tensor& a, const Tensor& b) override;
  Tensor scale(const Tensor& x, float factor) override;
  Tensor scale(const Tensor& x, const Tensor& factor) override;
  Tensor gated_gelu(const Tensor& gate, const Tensor& up) override;
  Tensor gated_linear(const Tensor& x, const Tensor& gate, const Tensor& up) override;
  Tensor gated_sigmoid(const Tensor& a, const Tensor& b) override;
  Tensor softcap(const Tensor& x, float cap) override;
  Tensor softmax(const Tensor& x) override;
  Tensor clamp(const Tensor& x, float low, float high) override;

  Tensor embed(const Tensor& table, std::span<const int32_t> ids, float factor) override;
  void linear(const Tensor& x, std::span<const Tensor* const> weights, std::span<Tensor> results) override;
  Tensor clipped_linear(const Tensor& x, const Tensor& w, const Bounds& bounds) override;
  void route(const Tensor& scores, int top_k, const Tensor& per_expert_scale, Routing& routing) override;
  Tensor moe(const Tensor& x, const Routing& routing, const Tensor& gate_up, const Tensor& down) override;

  Tensor rope(const Tensor& x, std::span<const int32_t> positions, std::span<const float> inverse_frequency,
              int64_t head_dim) override;
  void write_kv(const AttentionPlan& plan, const Tensor& k, const Tensor& v) override;
  Tensor attention(const Tensor& q, const AttentionPlan& plan) override;

  Tensor rope_2d(const Tensor& x, int64_t columns, std::span<const float> inverse_frequency, int64_t head_dim) override;
  DenseKeys dense_keys(const Tensor& k, const Tensor& v, int64_t head_dim) override;
  Tensor attention_dense(const Tensor& q, const DenseKeys& keys) override;
  Tensor pool(const Tensor& x, int64_t columns, int64_t kernel, float factor) override;

  Tensor conv2d(const Tensor& x, const Tensor& w) override;
  Tensor depthwise_conv1d(const Tensor& x, const Tensor& w) override;
  Tensor audio_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& r, int64_t head_dim,
                         int64_t window, float cap) override;

  std::vector<Candidates> candidates(const Tensor& logits, std::span<const uint32_t> allowed, int k) override;

 private:
  /** A result: pooled memory, not cleared. */
  Tensor make(DType dtype, const Shape& shape);
  Tensor make(int64_t rows, int64_t cols) { return make(DType::f32, Shape{rows, cols}); }
  /** `x` itself, or its values as f32: small parameters (norms, scales) may be stored in any type. */
  Tensor widened(const Tensor& x);
  /** body(first, last) over rows of `work` elements each, on this thread where waking others would cost more. */
  void over_rows(int64_t rows, int64_t work, FunctionRef<void(int64_t, int64_t)> body);
  Tensor expert_hidden(const Tensor& x, const Grouping& grouping, const Weight& gate_up);
  using Combine = void (*)(const float*, const float*, int64_t, float*);
  /** The same kernel on all values of two tensors of one shape. */
  Tensor elementwise(const Tensor& a, const Tensor& b, Combine kernel);
  /** The same, where b may be one row, and of any type. */
  Tensor elementwise_or_by_row(const Tensor& a, const Tensor& b, Combine kernel);

  ThreadPool& threads_;
  const Kernels& kernels_;
  std::shared_ptr<BufferPool> buffers_;
  WeightMemory weight_memory_;
  std::unique_ptr<RopeTables> rope_tables_;
  std::unique_ptr<CacheCodecs> codecs_;
};

}  // namespace gemma::cpu

namespace gemma {

/** The CPU backend with the best kernels of this machine, or those that the environment variable GEMMA4_ISA names (an
 *  unknown name fails). `threads` must outlive it. */
std::unique_ptr<Ops> make_cpu_ops(ThreadPool& threads);

}  // namespace gemma
