// SPDX-License-Identifier: Apache-2.0
// Ops is the whole device interface: what the model's equations are written in. Functional: inputs are const, results
// are new tensors (f32 [rows, cols] unless said otherwise). Every op computes a row from that row's inputs in one fixed
// order, so a row's result does not depend on the rows beside it nor on the number of threads.
//
// An implementation runs each call at once (cpu::CpuOps) or records it (a GPU); Tape will wrap one and note how to go
// back. A fused op is one here because it is one function on every device.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "tensor/attention_plan.h"
#include "tensor/tensor.h"
#include "tensor/values.h"

namespace gemma {

class Ops {
 public:
  virtual ~Ops() = default;

  // ---- move ----
  /** Bytes of the host as a tensor of the device. */
  virtual Tensor upload(DType dtype, const Shape& shape, std::span<const std::byte> bytes) = 0;
  /** A fresh tensor, not cleared: cache pools. */
  virtual Tensor allocate(DType dtype, const Shape& shape) = 0;
  /** Brings rows first .. first + n - 1 of a weight, as files store them; several threads call it at once. */
  using ReadRows = FunctionRef<void(int64_t first, int64_t n, std::span<std::byte> out)>;
  /** Rows as files store them, read straight to where they stay: rows of a table that is not loaded. */
  virtual Tensor load_rows(DType dtype, const Shape& shape, const ReadRows& read) = 0;
  /** A weight [..., out, in] in the layout that linear, embed and moe of this device like best. */
  virtual Tensor load_weight(DType dtype, const Shape& shape, const ReadRows& read) = 0;
  /** The memory that load_weight takes. */
  virtual int64_t weight_bytes(DType dtype, const Shape& shape) const = 0;
  /** The same from rows in memory; may return `w` itself. */
  virtual Tensor prepare_weight(Tensor w);
  virtual void read(const Tensor& x, std::span<std::byte> out) = 0;
  /** Rows of x in the order of `rows`, any dtype. */
  virtual Tensor gather_rows(const Tensor& x, std::span<const int32_t> rows) = 0;
  /** A copy of `base` in which row at[i] is row i of `rows`. */
  virtual Tensor scatter_rows(const Tensor& base, const Tensor& rows, std::span<const int32_t> at) = 0;
  virtual Tensor columns(const Tensor& x, int64_t first, int64_t n) = 0;  // first .. first + n - 1
  /** [rows, a], [rows, b] -> [rows, a + b]. */
  virtual Tensor concat_columns(const Tensor& a, const Tensor& b) = 0;
  /** Says that `x` is what the reference calls `name`: parity tests and --tap listen here. Costs nothing while nobody
   *  does; who has work to do only for a listener asks listening() first. */
  void tap(std::string_view name, const Tensor& x) {
    if (listener_) listener_(name, x);
  }
  using Listener = std::function<void(std::string_view name, const Tensor& x)>;
  void listen(Listener listener) { listener_ = std::move(listener); }  // {}: nobody any more
  bool listening() const { return listener_ != nullptr; }

  // ---- rows ----
  /** y = x * (mean(x^2) + eps)^(-1/2) * weight over groups of `weight cols` (or `group`) columns; no weight: 1.
   *  group = head_dim normalises each head of [rows, heads * head_dim] on its own. */
  virtual Tensor rms_norm(const Tensor& x, const Tensor* weight, float eps, int64_t group = 0) = 0;
  /** (x - mean) * (variance + eps)^(-1/2) * weight + bias over groups of `weight cols` columns; no bias: 0. */
  virtual Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor* bias, float eps) = 0;
  virtual Tensor add(const Tensor& a, const Tensor& b) = 0;  // b may be one row, used for every row of a
  /** residual + rms_norm(x; weight). */
  virtual Tensor add_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, float eps) = 0;
  virtual Tensor mul(const Tensor& a, const Tensor& b) = 0;  // the same
  virtual Tensor scale(const Tensor& x, float factor) = 0;
  virtual Tensor scale(const Tensor& x, const Tensor& factor) = 0;  // one value, [1] or a scalar
  /** gelu_tanh(gate) * up. */
  virtual Tensor gated_gelu(const Tensor& gate, const Tensor& up) = 0;
  /** a * sigmoid(b); of x and x it is SiLU. */
  virtual Tensor gated_sigmoid(const Tensor& a, const Tensor& b) = 0;
  /** cap * tanh(x / cap). */
  virtual Tensor softcap(const Tensor& x, float cap) = 0;
  virtual Tensor softmax(const Tensor& x) = 0;
  /** Each value, or the bound that it is beyond. */
  virtual Tensor clamp(const Tensor& x, float low, float high) = 0;

  // ---- products ----
  /** Rows `ids` of table [vocab, cols] of any weight type, times `factor`, as f32. */
  virtual Tensor embed(const Tensor& table, std::span<const int32_t> ids, float factor) = 0;
  static constexpr size_t kMostTogether = 4;  // weights that linear takes
  /** x [rows, in] times each weight's transpose: w [out, in] -> [rows, out], to results[i] for weights[i]. x is
   * prepared once for all. */
  virtual void linear(const Tensor& x, std::span<const Tensor* const> weights, std::span<Tensor> results) = 0;
  Tensor linear(const Tensor& x, const Tensor& w);
  /** linear with one weight, what goes in and what comes out held within bounds. */
  virtual Tensor clipped_linear(const Tensor& x, const Tensor& w, const Bounds& bounds);
  /** gelu_tanh(x gate^T) * (x up^T): the first half of a feed-forward, of which nobody needs the parts. */
  virtual Tensor gated_linear(const Tensor& x, const Tensor& gate, const Tensor& up);
  /** softmax(scores) over all experts, the k best, their probabilities normalised to sum 1, times per_expert_scale.
   *  `routing` is overwritten. */
  virtual void route(const Tensor& scores, int top_k, const Tensor& per_expert_scale, Routing& routing) = 0;
  /** sum over the chosen experts e, in the router's order, of weight_e * down_e(gelu(g) * u), [g; u] = gate_up_e(x).
   *  gate_up [experts, 2 * width, in] (gate rows first), down [experts, in, width]. */
  virtual Tensor moe(const Tensor& x, const Routing& routing, const Tensor& gate_up, const Tensor& down) = 0;

  // ---- position and attention ----
  /** Rotates each head of x [rows, heads * head_dim]: pairs (i, i + head_dim / 2) by positions[row] *
   *  inverse_frequency[i], angles in f32. inverse_frequency has head_dim / 2 entries; 0 leaves a pair as it is. */
  virtual Tensor rope(const Tensor& x, std::span<const int32_t> positions, std::span<const float> inverse_frequency,
                      int64_t head_dim) = 0;
  /** Stores k and v [rows, kv_heads * head_dim] at plan.slots, in the pool's type. */
  virtual void write_kv(const AttentionPlan& plan, const Tensor& k, const Tensor& v) = 0;
  /** In place: page to[i] of `target` [pages, ...] becomes what page from[i] of `source` is, which may be the same
   *  tensor. The default works where the host sees the bytes. */
  virtual void copy_pages(const Tensor& source, std::span<const int32_t> from, const Tensor& target,
                          std::span<const int32_t> to);
  /** q [rows, heads * head_dim] -> [rows, heads * head_dim]: softmax(scale * q . k) v over visible keys, read from the
   *  pool. Key blocks are pages, by index in the sequence, merged in order. Query head j reads K/V head j / (heads /
   *  kv_heads). */
  virtual Tensor attention(const Tensor& q, const AttentionPlan& plan) = 0;

  // ---- pictures: rows are the cells of a grid of `columns`, row by row ----
  /** As rope, but the first half of each head by the column and the second by the row of its cell, each like a head of
   *  its own. inverse_frequency has head_dim / 4 entries. */
  virtual Tensor rope_2d(const Tensor& x, int64_t columns, std::span<const float> inverse_frequency,
                         int64_t head_dim) = 0;
  /** softmax(q . k) v of q [n, heads * head_dim], each seeing each of k, v [rows, heads * head_dim], which dense_keys
   *  lays out; blocks of keys are merged in order, and there is no matrix of all scores. */
  virtual DenseKeys dense_keys(const Tensor& k, const Tensor& v, int64_t head_dim) = 0;
  virtual Tensor attention_dense(const Tensor& q, const DenseKeys& keys) = 0;
  /** factor * the mean of each cell of `kernel` x `kernel` rows -> [rows / kernel^2, cols], row by row. */
  virtual Tensor pool(const Tensor& x, int64_t columns, int64_t kernel, float factor) = 0;

  // ---- sound: rows follow one another in time ----
  /** x [time, bins, channels], w [out, 3 * 3 * channels] (by step in time, in bins, channel): a convolution that moves
   * by two and reads zeros beyond the edges -> [(time + 1) / 2, (bins + 1) / 2, out]. */
  virtual Tensor conv2d(const Tensor& x, const Tensor& w) = 0;
  /** Each column by itself, w [kernel, cols]: sum over i of w_i * x_(t - kernel + 1 + i), zeros before row 0. */
  virtual Tensor depthwise_conv1d(const Tensor& x, const Tensor& w) = 0;
  /** q, k, v [rows, heads * head_dim]; row t sees rows t - n, 0 <= n < window: softmax(cap * tanh((q . k + q . r_n) /
   *  cap)) v, r [window or more, heads * head_dim]. */
  virtual Tensor audio_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& r, int64_t head_dim,
                                 int64_t window, float cap) = 0;

  // ---- ends ----
  /** The k best of each row and the row's log-sum-exp. `allowed`: rows * ceil(vocab / 32) words, bit set = may be
   *  chosen; empty = all. */
  virtual std::vector<Candidates> candidates(const Tensor& logits, std::span<const uint32_t> allowed, int k) = 0;

 private:
  Listener listener_;
};

}  // namespace gemma
