// SPDX-License-Identifier: Apache-2.0
#include "convert/inventory.h"

#include <set>

#include "base/error.h"

namespace gemma {
namespace {

class Lister {
 public:
  explicit Lister(const Config& config) : config_(config) {}

  std::vector<ExpectedTensor> list() {
    const int64_t dim = config_.dim, vocab = config_.vocab, ple = config_.per_layer_dim;
    const auto layers = static_cast<int64_t>(config_.layers.size());
    need("embed_tokens.weight", {vocab, dim});
    if (!config_.tied_head) need("lm_head.weight", {vocab, dim});
    if (ple > 0) {
      need("embed_tokens_per_layer.weight", {vocab, layers * ple});
      need("per_layer_model_projection.weight", {layers * ple, dim});
      need("per_layer_projection_norm.weight", {ple});
    }
    for (size_t i = 0; i < config_.layers.size(); ++i) layer(i);
    need("norm.weight", {dim});
    return std::move(list_);
  }

  void drafter(const DrafterConfig& d) {
    const int64_t dim = config_.dim, target = d.target_dim;
    need("pre_projection.weight", {dim, 2 * target});
    need("post_projection.weight", {target, dim});
    if (!d.ordered) return;
    need("masked_embedding.centroids.weight", {d.centroids, dim});
    need("masked_embedding.token_ordering", {config_.vocab});
  }

 private:
  void layer(size_t i) {
    const LayerConfig& l = config_.layers[i];
    head_ = fmt::format("layers.{}.", i);
    const int64_t dim = config_.dim, width = l.mlp_width, ple = config_.per_layer_dim;
    need("input_layernorm.weight", {dim});
    attention(l, l.kv_source == static_cast<int>(i));
    need("post_attention_layernorm.weight", {dim});
    need("pre_feedforward_layernorm.weight", {dim});
    need("mlp.gate_proj.weight", {width, dim});
    need("mlp.up_proj.weight", {width, dim});
    need("mlp.down_proj.weight", {dim, width});
    if (l.moe) experts(*l.moe);
    need("post_feedforward_layernorm.weight", {dim});
    if (ple > 0) {
      need("per_layer_input_gate.weight", {ple, dim});
      need("per_layer_projection.weight", {dim, ple});
      need("post_per_layer_input_norm.weight", {dim});
    }
    if (l.layer_scalar) need("layer_scalar", {1});
    head_.clear();
  }

  void attention(const LayerConfig& l, bool owns_cache) {
    const int64_t dim = config_.dim, d = l.head_dim, q = l.heads * d, kv = l.kv_heads * d;
    need("self_attn.q_proj.weight", {q, dim});
    take("self_attn.k_proj.weight", {kv, dim}, owns_cache);
    take("self_attn.v_proj.weight", {kv, dim}, owns_cache && !l.k_is_v);
    need("self_attn.o_proj.weight", {dim, q});
    need("self_attn.q_norm.weight", {d});
    take("self_attn.k_norm.weight", {d}, owns_cache);
  }

  void experts(const MoeConfig& moe) {
    const int64_t dim = config_.dim, n = moe.experts, width = moe.width;
    need("router.proj.weight", {n, dim});
    need("router.scale", {dim});
    need("router.per_expert_scale", {n});
    need("experts.gate_up_proj", {n, 2 * width, dim});
    need("experts.down_proj", {n, dim, width});
    need("post_feedforward_layernorm_1.weight", {dim});
    need("pre_feedforward_layernorm_2.weight", {dim});
    need("post_feedforward_layernorm_2.weight", {dim});
  }

  void need(std::string_view name, Shape shape) { take(name, shape, true); }

  void take(std::string_view name, Shape shape, bool required) {
    list_.push_back({head_ + std::string(name), shape, required});
  }

  const Config& config_;
  std::string head_;
  std::vector<ExpectedTensor> list_;
};

std::vector<ItemOfModel> find_all(const ModelFile& file, const Config& config,
                                  const std::vector<ExpectedTensor>& expected) {
  const TensorMap map(file, config);
  std::vector<ItemOfModel> items;
  for (const ExpectedTensor& e : expected) {
    std::optional<StoredTensor> found = map.find(e.name);
    if (!found) {
      if (!e.required) continue;
      fail(file.name(), "tensor '{}' is missing (expected {})", map.name_in_file(e.name), e.shape.str());
    }
    const bool scalar = e.shape == Shape{1} && found->shape.count() == 1;
    if (!scalar && !(found->shape == e.shape)) {
      fail(file.name(), "tensor '{}': expected shape {}, found {}", found->name, e.shape.str(), found->shape.str());
    }
    found->shape = e.shape;
    items.push_back({e.name, std::move(*found)});
  }
  return items;
}

}  // namespace

std::vector<ExpectedTensor> expected_tensors(const Config& config) { return Lister(config).list(); }

std::vector<ExpectedTensor> expected_tensors(const DrafterConfig& drafter) {
  Lister lister(drafter.stack);
  lister.drafter(drafter);
  return lister.list();
}

std::vector<ItemOfModel> inventory(const ModelFile& file, const Config& config) {
  return find_all(file, config, expected_tensors(config));
}

std::vector<ItemOfModel> inventory(const ModelFile& file, const DrafterConfig& drafter) {
  return find_all(file, drafter.stack, expected_tensors(drafter));
}

std::vector<std::string> left_out(const ModelFile& file, const std::vector<ItemOfModel>& items) {
  std::set<std::string_view> taken;
  for (const ItemOfModel& item : items) taken.insert(item.stored.name);
  std::vector<std::string> names;
  for (const TensorRecord& record : file.tensors()) {
    if (!taken.contains(record.name)) names.push_back(record.name);
  }
  return names;
}

}  // namespace gemma
