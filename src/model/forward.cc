// SPDX-License-Identifier: Apache-2.0
// The whole pass: embeddings, per-layer inputs, layers, final norm.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "model/step.h"

namespace gemma {

/** Scaled embeddings; soft tokens of media in their places, as they are. [rows, dim] */
Tensor embed_tokens(Context& c, const Batch& batch) {
  Tensor x = c.ops.embed(c.weights.embedding, batch.tokens, c.config.embedding_scale);
  for (const MediaRows& media : batch.media) {
    std::vector<int32_t> at(static_cast<size_t>(media.rows));
    std::iota(at.begin(), at.end(), static_cast<int32_t>(media.first_row));
    x = c.ops.scatter_rows(x, media.embedding, at);
  }
  return x;
}

namespace {

int last_cache_layer(const Config& config) {
  int last = 0;
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    if (config.layers[static_cast<size_t>(i)].kv_source == i) last = i;
  }
  return last;
}

}  // namespace

void Step::keep_wanted(Ops& ops, Tensor& h) {
  if (batch.wanted.size() == positions.size()) return;
  rows = batch.wanted;
  positions.clear();
  for (int32_t row : rows) positions.push_back(batch.positions[static_cast<size_t>(row)]);
  if (rows.empty()) return;
  x = ops.gather_rows(x, rows);
  h = ops.gather_rows(h, rows);
  if (per_layer.defined()) per_layer = ops.gather_rows(per_layer, rows);
}

Tensor forward(Context& c, const Batch& batch) {
  GEMMA_CHECK(!batch.tokens.empty() && batch.positions.size() == batch.tokens.size(), "a position for every token");
  Step step{batch, embed_tokens(c, batch), {}, c.lists.positions, c.lists.rows, last_cache_layer(c.config), {}};
  step.positions = batch.positions;
  step.rows.clear();
  c.ops.tap("hidden.0", step.x);
  if (c.config.per_layer_dim > 0) step.per_layer = per_layer_inputs(c, batch, step.x);
  for (int i = 0; i < static_cast<int>(c.config.layers.size()) && !step.empty(); ++i) {
    decoder_layer(c, step, i);
    if (c.ops.listening() && !step.empty()) c.ops.tap(fmt::format("hidden.{}", i + 1), step.x);
  }
  if (step.empty()) return c.ops.allocate(DType::f32, Shape{0, c.config.dim});
  Tensor state = c.ops.rms_norm(step.x, &c.weights.norm, c.config.norm_eps);
  c.weights.check();
  c.ops.tap("final_norm", state);
  return state;
}

Tensor logits(Ops& ops, const Config& config, const Weights& weights, const Tensor& state) {
  const Tensor y = ops.linear(state, weights.head ? *weights.head : weights.embedding);
  weights.check();
  return config.softcap ? ops.softcap(y, *config.softcap) : y;
}

}  // namespace gemma
