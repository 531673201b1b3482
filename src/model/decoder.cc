// SPDX-License-Identifier: Apache-2.0
// One decoder layer: attention, feed-forward (with experts beside it), per-layer embedding, scale (spec section 4).
#include "model/step.h"

namespace gemma {

/** x + norm(mlp(norm(x))), with the experts' part inside where a layer has them. */
Tensor feed_forward(Context& c, int i, const Tensor& x) {
  const LayerWeights& w = c.weights.layers[static_cast<size_t>(i)];
  const float eps = c.config.norm_eps;
  Tensor h = mlp(c, w.mlp, c.ops.rms_norm(x, &w.pre_feedforward_layernorm, eps));
  tap_layer(c.ops, i, "mlp.out", [&] { return h; });
  if (w.moe) h = add_experts(c, i, x, h);
  return c.ops.add_norm(x, h, w.post_feedforward_layernorm, eps);
}

void decoder_layer(Context& c, Step& s, int i) {
  const LayerConfig& l = c.config.layers[static_cast<size_t>(i)];
  const LayerWeights& w = c.weights.layers[static_cast<size_t>(i)];
  const float eps = c.config.norm_eps;

  const Tensor q = project(c, s, i, c.ops.rms_norm(s.x, &w.input_layernorm, eps));
  if (s.empty()) return;  // the caches are written and nobody wants a row
  s.x = c.ops.add_norm(s.x, attend(c, i, q), w.post_attention_layernorm, eps);
  s.x = feed_forward(c, i, s.x);
  if (w.per_layer) s.x = add_per_layer(c, i, s.x, s.per_layer);
  if (l.layer_scalar) s.x = c.ops.scale(s.x, w.layer_scalar);
}

}  // namespace gemma
