// SPDX-License-Identifier: Apache-2.0
// Ops that notes how long each call takes. What it does is what the Ops beneath does.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/weights.h"
#include "tensor/ops.h"

namespace gemma::app {

struct OpTime {
  std::string name;  // "attention", "linear gate, up"
  int64_t calls = 0;
  double seconds = 0;
};

class TimedOps final : public Ops {
 public:
  /** Both outlive it. Products are named by the weights they are with. */
  TimedOps(Ops& inner, const Weights& weights);

  /** What was noted since the last call, the longest first. */
  std::vector<OpTime> take();

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
  void copy_pages(const Tensor& source, std::span<const int32_t> from, const Tensor& target,
                  std::span<const int32_t> to) override;
  Tensor attention(const Tensor& q, const AttentionPlan& plan) override;
  Tensor rope_2d(const Tensor& x, int64_t columns, std::span<const float> inverse_frequency, int64_t head_dim) override;
  DenseKeys dense_keys(const Tensor& k, const Tensor& v, int64_t head_dim) override;
  Tensor attention_dense(const Tensor& q, const DenseKeys& keys) override;
  Tensor conv2d(const Tensor& x, const Tensor& w) override;
  Tensor depthwise_conv1d(const Tensor& x, const Tensor& w) override;
  Tensor audio_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& r, int64_t head_dim,
                         int64_t window, float cap) override;
  Tensor pool(const Tensor& x, int64_t columns, int64_t kernel, float factor) override;
  std::vector<Candidates> candidates(const Tensor& logits, std::span<const uint32_t> allowed, int k) override;

 private:
  /** What `call` returns, its time noted under `name`. */
  template <class Call>
  auto timed(const char* name, const Call& call);

  Ops& inner_;
  std::map<const Storage*, const char*> names_;  // of products, by the weight
  std::map<std::string, OpTime, std::less<>> times_;
};

}  // namespace gemma::app
