// SPDX-License-Identifier: Apache-2.0
#include "gemma4/timed_ops.h"
#include "base/clock.h"

#include <algorithm>
#include <utility>

namespace gemma::app {
namespace {

/** Adds its lifetime to an entry. */
class Stopwatch {
 public:
  explicit Stopwatch(OpTime& entry) : entry_(entry) { ++entry_.calls; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { entry_.seconds += seconds_since(start_); }

 private:
  OpTime& entry_;
  const Clock::time_point start_ = Clock::now();
};

}  // namespace

TimedOps::TimedOps(Ops& inner, const Weights& weights) : inner_(inner) {
  const auto name = [&](const Tensor& w, const char* text) {
    if (w.defined()) names_.emplace(w.storage().get(), text);
  };
  name(weights.head ? *weights.head : weights.embedding, "linear head");
  name(weights.per_layer_model_projection.w, "linear per layer");
  for (const LayerWeights& layer : weights.layers) {
    for (const Linear* w : {&layer.attention.q, &layer.attention.k, &layer.attention.v}) name(w->w, "linear q, k, v");
    name(layer.attention.o.w, "linear o");
    name(layer.mlp.down.w, "linear down");
    if (layer.moe) name(layer.moe->router.w, "linear router");
    if (!layer.per_layer) continue;
    name(layer.per_layer->gate.w, "linear per layer");
    name(layer.per_layer->projection.w, "linear per layer");
  }
}

std::vector<OpTime> TimedOps::take() {
  std::vector<OpTime> list;
  list.reserve(times_.size());
  for (auto& entry : times_) list.push_back(std::move(entry.second));
  times_.clear();
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return list;
}

template <class Call>
auto TimedOps::timed(const char* name, const Call& call) {
  auto found = times_.find(name);
  if (found == times_.end()) found = times_.emplace(name, OpTime{name}).first;
  const Stopwatch stopwatch(found->second);
  return call();
}

Tensor TimedOps::upload(DType dtype, const Shape& shape, std::span<const std::byte> bytes) {
  return timed("upload", [&] { return inner_.upload(dtype, shape, bytes); });
}

Tensor TimedOps::allocate(DType dtype, const Shape& shape) {
  return timed("allocate", [&] { return inner_.allocate(dtype, shape); });
}

Tensor TimedOps::load_rows(DType dtype, const Shape& shape, const ReadRows& read) {
  return timed("load_rows", [&] { return inner_.load_rows(dtype, shape, read); });
}
Tensor TimedOps::load_weight(DType dtype, const Shape& shape, const ReadRows& read) {
  return timed("load_weight", [&] { return inner_.load_weight(dtype, shape, read); });
}

int64_t TimedOps::weight_bytes(DType dtype, const Shape& shape) const { return inner_.weight_bytes(dtype, shape); }

Tensor TimedOps::prepare_weight(Tensor w) {
  return timed("prepare_weight", [&] { return inner_.prepare_weight(std::move(w)); });
}

void TimedOps::read(const Tensor& x, std::span<std::byte> out) {
  timed("read", [&] { inner_.read(x, out); });
}

Tensor TimedOps::gather_rows(const Tensor& x, std::span<const int32_t> rows) {
  return timed("gather_rows", [&] { return inner_.gather_rows(x, rows); });
}

Tensor TimedOps::scatter_rows(const Tensor& base, const Tensor& rows, std::span<const int32_t> at) {
  return timed("scatter_rows", [&] { return inner_.scatter_rows(base, rows, at); });
}

Tensor TimedOps::columns(const Tensor& x, int64_t first, int64_t n) {
  return timed("columns", [&] { return inner_.columns(x, first, n); });
}

Tensor TimedOps::concat_columns(const Tensor& a, const Tensor& b) {
  return timed("concat_columns", [&] { return inner_.concat_columns(a, b); });
}

Tensor TimedOps::rms_norm(const Tensor& x, const Tensor* weight, float eps, int64_t group) {
  return timed("rms_norm", [&] { return inner_.rms_norm(x, weight, eps, group); });
}

Tensor TimedOps::add(const Tensor& a, const Tensor& b) {
  return timed("add", [&] { return inner_.add(a, b); });
}

Tensor TimedOps::add_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, float eps) {
  return timed("add_norm", [&] { return inner_.add_norm(residual, x, weight, eps); });
}

Tensor TimedOps::mul(const Tensor& a, const Tensor& b) {
  return timed("mul", [&] { return inner_.mul(a, b); });
}

Tensor TimedOps::scale(const Tensor& x, float factor) {
  return timed("scale", [&] { return inner_.scale(x, factor); });
}

Tensor TimedOps::scale(const Tensor& x, const Tensor& factor) {
  return timed("scale", [&] { return inner_.scale(x, factor); });
}

Tensor TimedOps::gated_gelu(const Tensor& gate, const Tensor& up) {
  return timed("gated_gelu", [&] { return inner_.gated_gelu(gate, up); });
}

Tensor TimedOps::softcap(const Tensor& x, float cap) {
  return timed("softcap", [&] { return inner_.softcap(x, cap); });
}

Tensor TimedOps::softmax(const Tensor& x) {
  return timed("softmax", [&] { return inner_.softmax(x); });
}

Tensor TimedOps::layer_norm(const Tensor& x, const Tensor& weight, const Tensor* bias, float eps) {
  return timed("layer_norm", [&] { return inner_.layer_norm(x, weight, bias, eps); });
}

Tensor TimedOps::gated_sigmoid(const Tensor& a, const Tensor& b) {
  return timed("gated_sigmoid", [&] { return inner_.gated_sigmoid(a, b); });
}

Tensor TimedOps::clamp(const Tensor& x, float low, float high) {
  return timed("clamp", [&] { return inner_.clamp(x, low, high); });
}

Tensor TimedOps::embed(const Tensor& table, std::span<const int32_t> ids, float factor) {
  return timed("embed", [&] { return inner_.embed(table, ids, factor); });
}

void TimedOps::linear(const Tensor& x, std::span<const Tensor* const> weights, std::span<Tensor> results) {
  const auto found = names_.find(weights[0]->storage().get());
  timed(found == names_.end() ? "linear" : found->second, [&] { inner_.linear(x, weights, results); });
}

Tensor TimedOps::clipped_linear(const Tensor& x, const Tensor& w, const Bounds& bounds) {
  return timed("clipped_linear", [&] { return inner_.clipped_linear(x, w, bounds); });
}

Tensor TimedOps::gated_linear(const Tensor& x, const Tensor& gate, const Tensor& up) {
  return timed("linear gate, up", [&] { return inner_.gated_linear(x, gate, up); });
}

void TimedOps::route(const Tensor& scores, int top_k, const Tensor& per_expert_scale, Routing& routing) {
  timed("route", [&] { inner_.route(scores, top_k, per_expert_scale, routing); });
}

Tensor TimedOps::moe(const Tensor& x, const Routing& routing, const Tensor& gate_up, const Tensor& down) {
  return timed("moe", [&] { return inner_.moe(x, routing, gate_up, down); });
}

Tensor TimedOps::rope(const Tensor& x, std::span<const int32_t> positions, std::span<const float> inverse_frequency,
                      int64_t head_dim) {
  return timed("rope", [&] { return inner_.rope(x, positions, inverse_frequency, head_dim); });
}

void TimedOps::write_kv(const AttentionPlan& plan, const Tensor& k, const Tensor& v) {
  timed("write_kv", [&] { inner_.write_kv(plan, k, v); });
}

void TimedOps::copy_pages(const Tensor& source, std::span<const int32_t> from, const Tensor& target,
                          std::span<const int32_t> to) {
  timed("copy_pages", [&] { inner_.copy_pages(source, from, target, to); });
}

Tensor TimedOps::attention(const Tensor& q, const AttentionPlan& plan) {
  return timed("attention", [&] { return inner_.attention(q, plan); });
}

Tensor TimedOps::rope_2d(const Tensor& x, int64_t columns, std::span<const float> inverse_frequency, int64_t head_dim) {
  return timed("rope_2d", [&] { return inner_.rope_2d(x, columns, inverse_frequency, head_dim); });
}

DenseKeys TimedOps::dense_keys(const Tensor& k, const Tensor& v, int64_t head_dim) {
  return timed("dense_keys", [&] { return inner_.dense_keys(k, v, head_dim); });
}

Tensor TimedOps::attention_dense(const Tensor& q, const DenseKeys& keys) {
  return timed("attention_dense", [&] { return inner_.attention_dense(q, keys); });
}

Tensor TimedOps::pool(const Tensor& x, int64_t columns, int64_t kernel, float factor) {
  return timed("pool", [&] { return inner_.pool(x, columns, kernel, factor); });
}

Tensor TimedOps::conv2d(const Tensor& x, const Tensor& w) {
  return timed("conv2d", [&] { return inner_.conv2d(x, w); });
}

Tensor TimedOps::depthwise_conv1d(const Tensor& x, const Tensor& w) {
  return timed("depthwise_conv1d", [&] { return inner_.depthwise_conv1d(x, w); });
}

Tensor TimedOps::audio_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& r, int64_t head_dim,
                                 int64_t window, float cap) {
  return timed("audio_attention", [&] { return inner_.audio_attention(q, k, v, r, head_dim, window, cap); });
}

std::vector<Candidates> TimedOps::candidates(const Tensor& logits, std::span<const uint32_t> allowed, int k) {
  return timed("candidates", [&] { return inner_.candidates(logits, allowed, k); });
}

}  // namespace gemma::app
