// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "model/key_balance.h"
#include "model/loader.h"

namespace gemma {
namespace {

AttentionWeights load_attention(Loader& loader, const LayerConfig& l, const std::string& at, int64_t dim, bool owns) {
  const int64_t q = int64_t{l.heads} * l.head_dim, kv = int64_t{l.kv_heads} * l.head_dim;
  AttentionWeights w;
  w.q = loader.linear(at + "q_proj.weight", {q, dim});
  w.o = loader.linear(at + "o_proj.weight", {dim, q});
  w.q_norm = loader.norm(at + "q_norm.weight", l.head_dim);
  if (!owns) return w;  // released files carry k and v of shared layers all the same: not read
  w.k = loader.linear(at + "k_proj.weight", {kv, dim});
  w.k_norm = loader.norm(at + "k_norm.weight", l.head_dim);
  if (!l.k_is_v) w.v = loader.linear(at + "v_proj.weight", {kv, dim});
  return w;
}

MoeWeights load_moe(Loader& loader, const MoeConfig& m, const std::string& at, int64_t dim) {
  MoeWeights w;
  w.router = loader.linear(at + "router.proj.weight", {m.experts, dim});
  w.router_scale = loader.vector(at + "router.scale", dim, 1.0f / std::sqrt(static_cast<float>(dim)));
  w.per_expert_scale = loader.vector(at + "router.per_expert_scale", m.experts);
  w.gate_up = loader.matrix(at + "experts.gate_up_proj", {m.experts, 2 * int64_t{m.width}, dim});
  w.down = loader.matrix(at + "experts.down_proj", {m.experts, dim, m.width});
  w.post_feedforward_layernorm_1 = loader.norm(at + "post_feedforward_layernorm_1.weight", dim);
  w.post_feedforward_layernorm_2 = loader.norm(at + "post_feedforward_layernorm_2.weight", dim);
  w.pre_feedforward_layernorm_2 = loader.norm(at + "pre_feedforward_layernorm_2.weight", dim);
  return w;
}

Weights read(Loader& loader, std::shared_ptr<const ModelFile> file, const Config& c) {
  Weights w;
  w.embedding = loader.matrix("embed_tokens.weight", {c.vocab, c.dim});
  w.norm = loader.norm("norm.weight", c.dim);
  if (!c.tied_head) w.head = loader.matrix("lm_head.weight", {c.vocab, c.dim});
  if (c.per_layer_dim > 0) {
    const int64_t all = static_cast<int64_t>(c.layers.size()) * c.per_layer_dim;
    w.per_layer_rows = RowSource(std::move(file), loader.record("embed_tokens_per_layer.weight", {c.vocab, all}));
    w.per_layer_model_projection = loader.linear("per_layer_model_projection.weight", {all, c.dim});
    w.per_layer_projection_norm = loader.norm("per_layer_projection_norm.weight", c.per_layer_dim);
  }
  for (int i = 0; i < static_cast<int>(c.layers.size()); ++i) w.layers.push_back(load_layer(loader, c, i));
  return w;
}

/** What of the matrices that may stay in the file is held: what there is room for once the rest is loaded. Where that
 *  is not all, a part is left to the system, for pages of the file. */
Loader::Mappable room_for(const Loader::Mappable& all, int64_t loaded, const WeightOptions& options) {
  int64_t room = std::max<int64_t>(0, available_memory() - options.leave - loaded);
  if (room < all.experts + all.others) room -= room / 16;
  room = std::min(room, options.most);
  return {.experts = std::max<int64_t>(0, room - all.others), .others = room};
}

}  // namespace

LayerWeights load_layer(Loader& loader, const Config& c, int index) {
  const LayerConfig& l = c.layers[static_cast<size_t>(index)];
  const std::string at = fmt::format("layers.{}.", index);
  const int64_t dim = c.dim, width = l.mlp_width;
  LayerWeights w;
  w.input_layernorm = loader.norm(at + "input_layernorm.weight", dim);
  w.post_attention_layernorm = loader.norm(at + "post_attention_layernorm.weight", dim);
  w.pre_feedforward_layernorm = loader.norm(at + "pre_feedforward_layernorm.weight", dim);
  w.post_feedforward_layernorm = loader.norm(at + "post_feedforward_layernorm.weight", dim);
  w.attention = load_attention(loader, l, at + "self_attn.", dim, l.kv_source == index);
  w.mlp.gate = loader.linear(at + "mlp.gate_proj.weight", {width, dim});
  w.mlp.up = loader.linear(at + "mlp.up_proj.weight", {width, dim});
  w.mlp.down = loader.linear(at + "mlp.down_proj.weight", {dim, width});
  if (l.moe) w.moe = load_moe(loader, *l.moe, at, dim);
  if (c.per_layer_dim > 0) {
    w.per_layer = PerLayerWeights{loader.linear(at + "per_layer_input_gate.weight", {c.per_layer_dim, dim}),
                                  loader.linear(at + "per_layer_projection.weight", {dim, c.per_layer_dim}),
                                  loader.norm(at + "post_per_layer_input_norm.weight", dim)};
  }
  if (l.layer_scalar) w.layer_scalar = loader.vector(at + "layer_scalar", 1);
  return w;
}

RowSource::RowSource(std::shared_ptr<const ModelFile> file, const TensorRecord& record)
    : file_(std::move(file)), record_(record) {}

void RowSource::fetch(std::span<const int32_t> ids) const {
  if (ids.size() < 2) return;                     // the one is read at once
  static thread_local std::vector<int32_t> each;  // kept: a step asks the heap for nothing
  each.assign(ids.begin(), ids.end());
  std::ranges::sort(each);
  each.erase(std::unique(each.begin(), each.end()), each.end());
  for (const int32_t id : each) file_->will_read_rows(record_, id, 1);
}

Tensor RowSource::read(std::span<const int32_t> ids, Ops& ops) const {
  GEMMA_CHECK(std::ranges::all_of(ids, [&](int32_t id) { return id >= 0 && id < rows(); }), "rows of the table");
  const auto row = static_cast<size_t>(bytes_of(record_.dtype, cols()));
  const Shape shape{static_cast<int64_t>(ids.size()), cols()};
  return ops.load_rows(record_.dtype, shape, [&](int64_t first, int64_t n, std::span<std::byte> out) {
    for (int64_t i = 0; i < n; ++i) {
      file_->read_rows(record_, ids[static_cast<size_t>(first + i)], 1, out.subspan(static_cast<size_t>(i) * row, row));
    }
  });
}

int64_t Weights::bytes_for(std::shared_ptr<const ModelFile> file, const Config& config, Ops& ops,
                           const WeightOptions& options) {
  Loader counter(*file, config, ops, {.weights = options, .count_only = true});
  read(counter, file, config);
  return counter.bytes();
}

Weights Weights::load(std::shared_ptr<const ModelFile> file, const Config& config, Ops& ops,
                      const WeightOptions& options) {
  Loader counter(*file, config, ops, {.weights = options, .count_only = true});
  read(counter, file, config);
  require_memory(file->name(), "weights", counter.bytes());
  const Loader::Mappable hold = room_for(counter.mapped(), counter.bytes(), options);
  Loader loader(*file, config, ops, {.weights = options, .hold = hold});
  Weights w = read(loader, file, config);
  if (options.balance) balance_keys(w, config, ops);
  if (loader.mapped().experts + loader.mapped().others > 0) w.mapped = std::move(file);
  return w;
}

}  // namespace gemma
