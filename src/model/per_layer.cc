// SPDX-License-Identifier: Apache-2.0
// Per-layer embeddings (spec section 5): a second, narrow embedding for every layer, half from a table by token, half
// projected from what enters layer 0.
#include <cmath>
#include <numeric>

#include "model/step.h"

namespace gemma {
namespace {

/** Token ids for the table: rows of media have none, they read the pad token's row. */
std::span<const int32_t> table_ids(Context& c, const Batch& batch) {
  std::vector<int32_t>& ids = c.lists.table_ids;
  ids = batch.tokens;
  for (const MediaRows& media : batch.media) {
    std::fill_n(ids.begin() + media.first_row, media.rows, c.config.special.pad);
  }
  return ids;
}

/** The half that is projected from what enters layer 0, [rows, layers * P]. */
Tensor projected_half(Context& c, const Tensor& embedded) {
  const float to_width = 1.0f / std::sqrt(static_cast<float>(c.config.dim));
  const Tensor projected = c.ops.scale(linear(c, c.weights.per_layer_model_projection, embedded), to_width);
  return c.ops.rms_norm(projected, &c.weights.per_layer_projection_norm, c.config.norm_eps, c.config.per_layer_dim);
}

/** The half that the table has for `ids`, [ids, layers * P]. */
Tensor table_half(Context& c, std::span<const int32_t> ids) {
  std::vector<int32_t>& all = c.lists.table_places;
  all.resize(ids.size());
  std::iota(all.begin(), all.end(), 0);
  return c.ops.embed(c.weights.per_layer_rows.read(ids, c.ops), all, c.config.per_layer_scale);
}

}  // namespace

/** [rows, layers * P], layer-major. Of a prompt that is wider than all else: what is done with goes before the next is
 *  made. */
Tensor per_layer_inputs(Context& c, const Batch& batch, const Tensor& embedded) {
  const Shape by_layer{embedded.rows(), static_cast<int64_t>(c.config.layers.size()), c.config.per_layer_dim};
  const float half = 1.0f / std::sqrt(2.0f);  // of the sum's variance

  const std::span<const int32_t> ids = table_ids(c, batch);
  c.weights.per_layer_rows.fetch(ids);
  Tensor combined = projected_half(c, embedded);
  {
    const Tensor token = table_half(c, ids);
    c.ops.tap("ple.token", token.view(by_layer));
    combined = c.ops.add(combined, token);
  }
  combined = c.ops.scale(combined, half);
  c.ops.tap("ple.combined", combined.view(by_layer));
  return combined;
}

Tensor add_per_layer(Context& c, int layer, const Tensor& x, const Tensor& input) {
  const PerLayerWeights& w = *c.weights.layers[static_cast<size_t>(layer)].per_layer;
  const int64_t width = c.config.per_layer_dim;
  const Tensor own = c.ops.columns(input, layer * width, width);
  const Tensor y = linear(c, w.projection, c.ops.gated_gelu(linear(c, w.gate, x), own));
  tap_layer(c.ops, layer, "ple.out", [&] { return c.ops.rms_norm(y, &w.norm, c.config.norm_eps); });
  return c.ops.add_norm(x, y, w.norm, c.config.norm_eps);
}

}  // namespace gemma
