// SPDX-License-Identifier: Apache-2.0
#include "convert/model_tensors.h"

#include <string_view>
#include <utility>

#include "base/error.h"

namespace gemma {
namespace {

class Lister {
 public:
  explicit Lister(const Config& config) : config_(config) {}

  std::vector<ModelTensor> list() {
    const int64_t dim = config_.dim, vocab = config_.vocab, ple = config_.per_layer_dim;
    const auto layers = static_cast<int64_t>(config_.layers.size());
    add("embed_tokens.weight", {vocab, dim});
    if (!config_.tied_head) add("lm_head.weight", {vocab, dim});
    if (ple > 0) {
      add("embed_tokens_per_layer.weight", {vocab, layers * ple});
      add("per_layer_model_projection.weight", {layers * ple, dim});
      add("per_layer_projection_norm.weight", {ple});
    }
    for (size_t i = 0; i < config_.layers.size(); ++i) layer(i);
    add("norm.weight", {dim});
    return std::move(tensors_);
  }

 private:
  void layer(size_t i) {
    const LayerConfig& l = config_.layers[i];
    head_ = fmt::format("layers.{}.", i);
    const int64_t dim = config_.dim, width = l.mlp_width, ple = config_.per_layer_dim;
    add("input_layernorm.weight", {dim});
    attention(l, l.kv_source == static_cast<int>(i));
    add("post_attention_layernorm.weight", {dim});
    add("pre_feedforward_layernorm.weight", {dim});
    add("mlp.gate_proj.weight", {width, dim});
    add("mlp.up_proj.weight", {width, dim});
    add("mlp.down_proj.weight", {dim, width});
    if (l.moe) experts(*l.moe);
    add("post_feedforward_layernorm.weight", {dim});
    if (ple > 0) {
      add("per_layer_input_gate.weight", {ple, dim});
      add("per_layer_projection.weight", {dim, ple});
      add("post_per_layer_input_norm.weight", {dim});
    }
    if (l.layer_scalar) add("layer_scalar", {1});
    head_.clear();
  }

  void attention(const LayerConfig& l, bool owns_cache) {
    const int64_t dim = config_.dim, d = l.head_dim, q = l.heads * d, kv = l.kv_heads * d;
    add("self_attn.q_proj.weight", {q, dim});
    add("self_attn.k_proj.weight", {kv, dim}, owns_cache);
    add("self_attn.v_proj.weight", {kv, dim}, owns_cache && !l.k_is_v);
    add("self_attn.o_proj.weight", {dim, q});
    add("self_attn.q_norm.weight", {d});
    add("self_attn.k_norm.weight", {d}, owns_cache);
  }

  void experts(const MoeConfig& moe) {
    const int64_t dim = config_.dim, n = moe.experts, width = moe.width;
    add("router.proj.weight", {n, dim});
    add("router.scale", {dim});
    add("router.per_expert_scale", {n});
    add("experts.gate_up_proj", {n, 2 * width, dim});
    add("experts.down_proj", {n, dim, width});
    add("post_feedforward_layernorm_1.weight", {dim});
    add("pre_feedforward_layernorm_2.weight", {dim});
    add("post_feedforward_layernorm_2.weight", {dim});
  }

  void add(std::string_view name, Shape shape, bool required = true) {
    tensors_.push_back({head_ + std::string(name), shape, required});
  }

  const Config& config_;
  std::string head_;
  std::vector<ModelTensor> tensors_;
};

}  // namespace

std::vector<ModelTensor> tensors_of(const Config& config) { return Lister(config).list(); }

}  // namespace gemma
