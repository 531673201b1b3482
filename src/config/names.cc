// SPDX-License-Identifier: Apache-2.0
#include "config/names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace gemma {
namespace {

struct Pair {
  std::string_view reference, gguf;
};

constexpr Pair kWhole[] = {
    {"embed_tokens.weight", "token_embd.weight"},
    {"norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
    {"embed_tokens_per_layer.weight", "per_layer_token_embd.weight"},
    {"per_layer_model_projection.weight", "per_layer_model_proj.weight"},
    {"per_layer_projection_norm.weight", "per_layer_proj_norm.weight"},
    // A drafter's own (spec section 13).
    {"pre_projection.weight", "nextn.pre_projection.weight"},
    {"post_projection.weight", "nextn.post_projection.weight"},
    {"masked_embedding.centroids.weight", "masked_embd_centroids.weight"},
    {"masked_embedding.token_ordering", "masked_embd_ordering"},
};

constexpr Pair kLayer[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
    {"layer_scalar", "layer_output_scale.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"per_layer_input_gate.weight", "inp_gate.weight"},
    {"per_layer_projection.weight", "proj.weight"},
    {"post_per_layer_input_norm.weight", "post_norm.weight"},
    {"router.proj.weight", "ffn_gate_inp.weight"},
    {"router.scale", "ffn_gate_inp.scale"},
    {"router.per_expert_scale", "ffn_down_exps.scale"},
    {"experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"experts.down_proj", "ffn_down_exps.weight"},
    {"pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight"},
    {"post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight"},
    {"post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight"},
};

constexpr std::string_view kPrefixes[] = {"model.language_model.", "language_model.model.", "model.", ""};

/** "layers.12.rest" with `head` "layers." -> {"12", "rest"}. */
std::optional<std::pair<std::string_view, std::string_view>> split_layer(std::string_view name, std::string_view head) {
  if (!name.starts_with(head)) return std::nullopt;
  name.remove_prefix(head.size());
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot > 4) return std::nullopt;
  const std::string_view number = name.substr(0, dot);
  if (!std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return std::pair{number, name.substr(dot + 1)};
}

std::optional<std::string> translate(std::string_view name, std::string_view from_head, std::string_view to_head,
                                     std::string_view Pair::* from, std::string_view Pair::* to) {
  for (const Pair& p : kWhole) {
    if (p.*from == name) return std::string(p.*to);
  }
  const auto layer = split_layer(name, from_head);
  if (!layer) return std::nullopt;
  for (const Pair& p : kLayer) {
    if (p.*from == layer->second) {
      return std::string(to_head).append(layer->first).append(".").append(p.*to);
    }
  }
  return std::nullopt;
}

}  // namespace

std::span<const std::string_view> text_prefixes() { return kPrefixes; }

std::optional<std::string_view> bare_name(std::string_view name) {
  if (name == "language_model.lm_head.weight") return name.substr(std::string_view("language_model.").size());
  for (std::string_view prefix : kPrefixes) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view rest = name.substr(prefix.size());
    if (gguf_name(rest)) return rest;
  }
  return std::nullopt;
}

std::optional<std::string> gguf_name(std::string_view bare) {
  return translate(bare, "layers.", "blk.", &Pair::reference, &Pair::gguf);
}

std::optional<std::string> reference_name(std::string_view gguf) {
  return translate(gguf, "blk.", "layers.", &Pair::gguf, &Pair::reference);
}

std::vector<std::string> split_parts(std::string_view bare) {
  const auto layer = split_layer(bare, "layers.");
  if (!layer || layer->second != "experts.gate_up_proj") return {};
  const std::string head = std::string("blk.").append(layer->first);
  return {head + ".ffn_gate_exps.weight", head + ".ffn_up_exps.weight"};
}

std::optional<std::string> fused_name(std::string_view bare) {
  const auto layer = split_layer(bare, "layers.");
  if (!layer) return std::nullopt;
  const std::string_view rest = layer->second;
  if (rest != "self_attn.q_proj.weight" && rest != "self_attn.k_proj.weight" && rest != "self_attn.v_proj.weight") {
    return std::nullopt;
  }
  return std::string("blk.").append(layer->first).append(".attn_qkv.weight");
}

bool is_shifted_norm(std::string_view bare) { return bare.ends_with("norm.weight"); }

}  // namespace gemma
