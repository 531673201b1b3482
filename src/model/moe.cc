// SPDX-License-Identifier: Apache-2.0
// Experts beside the dense branch (spec section 7). The router reads the residual stream, not what the branches read.
#include "model/step.h"

namespace gemma {
namespace {

void tap_routing(Ops& ops, int layer, const Tensor& scores, const Routing& routing) {
  if (!ops.listening()) return;
  const Shape shape{scores.rows(), routing.top_k};
  tap_layer(ops, layer, "router.probs", [&] { return ops.softmax(scores); });
  tap_layer(ops, layer, "router.weights", [&] { return Tensor::from(std::span(routing.weight), shape); });
  tap_layer(ops, layer, "router.index", [&] { return Tensor::from(std::span(routing.index), shape); });
}

}  // namespace

Tensor add_experts(Context& c, int layer, const Tensor& residual, const Tensor& dense) {
  const MoeConfig& m = *c.config.layers[static_cast<size_t>(layer)].moe;
  const MoeWeights& w = *c.weights.layers[static_cast<size_t>(layer)].moe;
  const float eps = c.config.norm_eps;

  const Tensor scores = linear(c, w.router, c.ops.mul(c.ops.rms_norm(residual, nullptr, eps), w.router_scale));
  Routing& routing = c.lists.routing;
  c.ops.route(scores, m.top_k, w.per_expert_scale, routing);
  tap_routing(c.ops, layer, scores, routing);

  const Tensor y = c.ops.rms_norm(residual, &w.pre_feedforward_layernorm_2, eps);
  const Tensor experts = c.ops.moe(y, routing, w.gate_up, w.down);
  tap_layer(c.ops, layer, "experts.out", [&] { return experts; });

  const Tensor normed = c.ops.rms_norm(dense, &w.post_feedforward_layernorm_1, eps);
  return c.ops.add_norm(normed, experts, w.post_feedforward_layernorm_2, eps);
}

}  // namespace gemma
