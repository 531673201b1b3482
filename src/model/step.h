// SPDX-License-Identifier: Apache-2.0
// What travels through the layers of one forward pass. Internal to this module.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "model/model.h"

namespace gemma {

struct Step {
  const Batch& batch;
  Tensor x;                         // [rows, dim], the residual stream
  Tensor per_layer;                 // [rows, layers * P]; undefined without per-layer embeddings
  std::vector<int32_t>& positions;  // one per row
  std::vector<int32_t>& rows;       // which rows of the batch are left; empty: all of them
  int last_cache = 0;               // the last layer that writes a cache: after it only wanted rows matter
  std::map<int, std::pair<Tensor, Tensor>> heard;  // k and v by layer, for shared layers' taps; while somebody listens

  bool empty() const { return positions.empty(); }

  /** Only the rows that batch.wanted names go on. `h` goes with them. */
  void keep_wanted(Ops& ops, Tensor& h);
};

inline Tensor linear(Context& c, const Linear& w, const Tensor& x) { return c.ops.linear(x, w.w); }

/** taps "layer.I.NAME". */
template <class Make>
void tap_layer(Ops& ops, int layer, std::string_view name, const Make& make) {
  if (ops.listening()) ops.tap(fmt::format("layer.{}.{}", layer, name), make());
}

Tensor embed_tokens(Context& c, const Batch& batch);
Tensor per_layer_inputs(Context& c, const Batch& batch, const Tensor& embedded);

/** k and v of all rows into the cache; returns the queries of the rows that go on, normed and rotated. What they see
 *  is c.lists.plan. */
Tensor project(Context& c, Step& step, int layer, Tensor h);
/** Softmax over the keys that c.lists.plan shows, and the output projection. */
Tensor attend(Context& c, int layer, const Tensor& q);
Tensor mlp(Context& c, const MlpWeights& w, const Tensor& x);
/** The dense branch's result `dense` and the experts', each normed, added. */
Tensor add_experts(Context& c, int layer, const Tensor& residual, const Tensor& dense);
Tensor feed_forward(Context& c, int layer, const Tensor& x);
Tensor add_per_layer(Context& c, int layer, const Tensor& x, const Tensor& input);
void decoder_layer(Context& c, Step& step, int layer);

}  // namespace gemma
