// SPDX-License-Identifier: Apache-2.0
// What a step reads and calculates, counted from the weights as they lie in memory.
#include <algorithm>
#include <cmath>

#include "gemma4/bench.h"

namespace gemma::app {
namespace {

/** Keys that `rows` rows see together, the first of which has `held` before it. */
double keys_seen(const LayerConfig& layer, double held, double rows) {
  const double all = rows * held + rows * (rows + 1) / 2;
  if (layer.window == 0) return all;
  double seen = 0;
  for (double i = 0; i < rows; ++i) {
    seen += std::min(1.0, rows - i) * std::min(held + i + 1, static_cast<double>(layer.window));
  }
  return seen;
}

class Counter {
 public:
  Counter(const Model& model, const KvOptions& kv) : model_(model), kv_(kv) {
    const auto& layers = model.config.layers;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (layers[i].kv_source == static_cast<int>(i)) last_cache_ = i;
    }
  }

  /** `sequences` of `rows` rows each behind `held`, and logits for the last `answered` of each. */
  void step(double sequences, double rows, double held, double answered) {
    const Weights& w = model_.weights;
    const double all = sequences * rows;
    add_rows(w.embedding.dtype(), w.embedding.cols(), all);
    if (w.per_layer_rows.defined()) {
      add_rows(w.per_layer_rows.dtype(), w.per_layer_rows.cols(), all);
      linear(w.per_layer_model_projection.w, all);
    }
    for (size_t i = 0; i < w.layers.size(); ++i) {
      // Behind the last layer that writes a cache only the rows go on whose logits are wanted.
      if (i > last_cache_ && answered == 0) break;
      layer(i, sequences, rows, i < last_cache_ ? rows : answered, held);
    }
    linear(w.head ? *w.head : w.embedding, sequences * answered);
  }

  const BenchWork& work() const { return work_; }

 private:
  void add_rows(DType type, int64_t cols, double rows) {
    work_.row_bytes += rows * static_cast<double>(bytes_of(type, cols));
  }

  void multiply(DType type, double ops) {
    if (is_quantized(type)) {
      (cpu::multiplied_as_int4(type) ? work_.int4_ops : work_.int8_ops) += ops;
    } else {
      (type == DType::bf16 ? work_.bf16_ops : work_.f32_ops) += ops;
    }
  }

  void linear(const Tensor& w, double rows) {
    if (!w.defined() || rows == 0) return;
    work_.weight_bytes += static_cast<double>(w.bytes());
    multiply(w.dtype(), 2 * rows * static_cast<double>(w.shape().count()));
  }

  /** Of `experts` matrices top_k are used for a row; how many for several rows, if rows choose at random. */
  void experts(const Tensor& w, const MoeConfig& moe, double rows) {
    const double share = static_cast<double>(moe.top_k) / moe.experts;
    work_.weight_bytes += static_cast<double>(w.bytes()) * (1 - std::pow(1 - share, rows));
    multiply(w.dtype(), 2 * rows * share * static_cast<double>(w.shape().count()));
  }

  void layer(size_t i, double sequences, double rows, double on, double held) {
    const LayerConfig& l = model_.config.layers[i];
    const LayerWeights& w = model_.weights.layers[i];
    const double all = sequences * rows, go_on = sequences * on;
    if (l.kv_source == static_cast<int>(i)) {
      linear(w.attention.k.w, all);
      linear(w.attention.v.w, all);
    }
    linear(w.attention.q.w, go_on);
    linear(w.attention.o.w, go_on);
    if (on > 0) attention(l, sequences, on, held + rows - on);
    linear(w.mlp.gate.w, go_on);
    linear(w.mlp.up.w, go_on);
    linear(w.mlp.down.w, go_on);
    if (w.moe && on > 0) {
      linear(w.moe->router.w, go_on);
      experts(w.moe->gate_up, *l.moe, go_on);
      experts(w.moe->down, *l.moe, go_on);
    }
    if (!w.per_layer) return;
    linear(w.per_layer->gate.w, go_on);
    linear(w.per_layer->projection.w, go_on);
  }

  void attention(const LayerConfig& l, double sequences, double rows, double held) {
    const double seen = sequences * keys_seen(l, held, rows);
    const KvTypes types = kv_.types_of(model_.config.layers[static_cast<size_t>(l.kv_source)].window);
    const double products = seen * 2 * l.heads * l.head_dim;
    // Of codes: queries are bytes, the weights of values two digits of a byte.
    (is_coded(types.keys) ? work_.int8_ops : work_.f32_ops) += products;
    if (is_coded(types.values)) {
      work_.int8_ops += 2 * products;
    } else {
      work_.f32_ops += products;
    }
    // Each key and value once for all rows of a step.
    const double window = l.window == 0 ? held + rows : std::min(held + rows, rows - 1 + l.window);
    work_.cache_bytes += sequences * window * l.kv_heads * key_and_value_bytes(l);
  }

  /** Of one token and head. */
  double key_and_value_bytes(const LayerConfig& l) const {
    const KvTypes types = kv_.types_of(model_.config.layers[static_cast<size_t>(l.kv_source)].window);
    const auto page = [&](KvType type) { return kv_page_bytes(type, kv_.page_size, l.head_dim); };
    return static_cast<double>(page(types.keys) + page(types.values)) / kv_.page_size;
  }

  const Model& model_;
  const KvOptions& kv_;
  size_t last_cache_ = 0;
  BenchWork work_;
};

}  // namespace

BenchWork decode_work(const Model& model, const KvOptions& kv, int batch, double rows, int held) {
  Counter counter(model, kv);
  counter.step(batch, rows, held, rows);
  return counter.work();
}

BenchWork prefill_work(const Model& model, const KvOptions& kv, int rows, int held) {
  Counter counter(model, kv);
  for (int at = 0; at < rows; at += kBenchBatchTokens) {
    const int n = std::min(kBenchBatchTokens, rows - at);
    counter.step(1, n, held + at, at + n == rows ? 1 : 0);
  }
  return counter.work();
}

double least_seconds(const BenchWork& work, const cpu::Roofs& roofs) {
  const cpu::Roofs::Operations& o = roofs.operations.front();
  const double calculating =
      work.int4_ops / o.int4 + work.int8_ops / o.int8 + work.bf16_ops / o.bf16 + work.f32_ops / o.f32;
  return std::max(calculating, work.bytes() / roofs.bytes_per_second);
}

}  // namespace gemma::app
