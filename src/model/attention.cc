// SPDX-License-Identifier: Apache-2.0
// Attention (spec section 6): queries and keys normed and rotated, values normed; layers that share a cache have
// queries only. Everything about pages, windows and spans is in the plan.
#include <algorithm>

#include "model/step.h"

namespace gemma {
namespace {

struct Projected {
  Tensor q, k, v;  // raw; k and v undefined on layers that share a cache
};

/** In one call where the same rows need all three, so that they are prepared once. */
Projected project_raw(Context& c, const LayerConfig& l, const AttentionWeights& w, const Tensor& h, bool with_q) {
  const Tensor* const weights[] = {&w.q.w, &w.k.w, &w.v.w};
  Tensor y[3];
  const size_t first = with_q ? 0 : 1, count = (l.k_is_v ? 2 : 3) - first;
  c.ops.linear(h, std::span(weights).subspan(first, count), std::span(y).subspan(first, count));
  return {y[0], y[1], l.k_is_v ? y[1] : y[2]};  // K = V: both from the raw projection
}

void plan_for(Context& c, int i, const Batch& batch, std::span<const int32_t> rows) {
  c.cache.plan(i, batch, rows, c.lists.plan);
  const auto owner = static_cast<size_t>(c.config.layers[static_cast<size_t>(i)].kv_source);
  c.lists.plan.key_balance = c.weights.layers[owner].attention.key_balance;
}

Tensor norm_and_rotate(Context& c, const LayerConfig& l, const Tensor& x, const Tensor& norm,
                       std::span<const int32_t> positions) {
  const Tensor y = c.ops.rms_norm(x, &norm, c.config.norm_eps, l.head_dim);
  return c.ops.rope(y, positions, l.rope.inverse_frequency, l.head_dim);
}

/** [rows, heads, head_dim]: the listener knows the heads then. */
Tensor by_head(const Tensor& x, int64_t head_dim) { return x.view(Shape{x.rows(), x.cols() / head_dim, head_dim}); }

void tap_keys(Context& c, const Step& s, int i) {
  if (!c.ops.listening()) return;
  const LayerConfig& l = c.config.layers[static_cast<size_t>(i)];
  const auto& [k, v] = s.heard.at(l.kv_source);
  tap_layer(c.ops, i, "attn.k", [&, &key = k] { return by_head(key, l.head_dim); });
  tap_layer(c.ops, i, "attn.v", [&, &value = v] { return by_head(value, l.head_dim); });
}

/** 1 where a row sees a key of its sequence: [rows, keys], for batches of one sequence. */
Tensor mask_of(const AttentionPlan& plan) {
  int32_t keys = 0;
  for (const KeyRange& r : plan.visible) keys = std::max(keys, r.end);
  Tensor mask = Tensor::host(DType::u8, Shape{static_cast<int64_t>(plan.visible.size()), keys});
  const std::span<uint8_t> bits = mask.data_mutable<uint8_t>();
  std::fill(bits.begin(), bits.end(), uint8_t{0});
  for (size_t row = 0; row < plan.visible.size(); ++row) {
    const KeyRange& r = plan.visible[row];
    std::fill_n(bits.begin() + static_cast<int64_t>(row) * keys + r.begin, r.end - r.begin, uint8_t{1});
  }
  return mask;
}

}  // namespace

Tensor project(Context& c, Step& s, int i, Tensor h) {
  const LayerConfig& l = c.config.layers[static_cast<size_t>(i)];
  const AttentionWeights& w = c.weights.layers[static_cast<size_t>(i)].attention;
  const bool leave = i == s.last_cache && s.batch.wanted.size() < s.positions.size();
  Tensor q;
  if (l.kv_source == i) {
    const Projected raw = project_raw(c, l, w, h, !leave);
    q = raw.q;
    const Tensor k = norm_and_rotate(c, l, raw.k, w.k_norm, s.positions);
    const Tensor v = l.v_norm ? c.ops.rms_norm(raw.v, nullptr, c.config.norm_eps, l.head_dim) : raw.v;
    plan_for(c, i, s.batch, {});
    c.ops.write_kv(c.lists.plan, k, v);
    if (c.ops.listening()) s.heard[i] = {k, v};
  }
  tap_keys(c, s, i);
  if (leave) s.keep_wanted(c.ops, h);
  if (s.empty()) return {};
  if (l.kv_source != i || leave) plan_for(c, i, s.batch, s.rows);
  if (!q.defined()) q = linear(c, w.q, h);
  q = norm_and_rotate(c, l, q, w.q_norm, s.positions);
  tap_layer(c.ops, i, "attn.q", [&] { return by_head(q, l.head_dim); });
  return q;
}

Tensor attend(Context& c, int i, const Tensor& q) {
  const LayerConfig& l = c.config.layers[static_cast<size_t>(i)];
  const Tensor context = c.ops.attention(q, c.lists.plan);
  const Tensor out = linear(c, c.weights.layers[static_cast<size_t>(i)].attention.o, context);
  tap_layer(c.ops, i, "attn.mask", [&] { return mask_of(c.lists.plan); });
  tap_layer(c.ops, i, "attn.ctx", [&] { return by_head(context, l.head_dim); });
  tap_layer(c.ops, i, "attn.out", [&] { return out; });
  return out;
}

}  // namespace gemma
