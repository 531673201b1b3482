// SPDX-License-Identifier: Apache-2.0
#include "config/media_names.h"

#include <span>

namespace gemma {
namespace {

struct Pair {
  std::string_view reference, gguf;  // before ".weight" and the like
};

constexpr Pair kWhole[] = {
    {"vision_tower.patch_embedder.input_proj", "v.patch_embd"},
    {"vision_tower.patch_embedder.position_embedding_table", "v.position_embd"},
    {"embed_vision.embedding_projection", "mm.input_projection"},
    {"audio_tower.subsample_conv_projection.layer0.conv", "a.conv1d.0"},
    {"audio_tower.subsample_conv_projection.layer0.norm", "a.conv1d.0.norm"},
    {"audio_tower.subsample_conv_projection.layer1.conv", "a.conv1d.1"},
    {"audio_tower.subsample_conv_projection.layer1.norm", "a.conv1d.1.norm"},
    {"audio_tower.subsample_conv_projection.input_proj_linear", "a.input_projection"},
    {"audio_tower.output_proj", "a.pre_encode.out"},
    {"embed_audio.embedding_projection", "mm.a.input_projection"},
    // The 12B's.
    {"vision_embedder.patch_ln1", "v.patch_norm.1"},
    {"vision_embedder.patch_dense", "v.patch_embd"},
    {"vision_embedder.patch_ln2", "v.patch_norm.2"},
    {"vision_embedder.pos_embedding", "v.position_embd"},
    {"vision_embedder.pos_norm", "v.patch_norm.3"},
};

constexpr Pair kVisionLayer[] = {
    {"input_layernorm", "ln1"},           {"post_attention_layernorm", "attn_post_norm"},
    {"pre_feedforward_layernorm", "ln2"}, {"post_feedforward_layernorm", "ffn_post_norm"},
    {"self_attn.q_proj", "attn_q"},       {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},       {"self_attn.o_proj", "attn_out"},
    {"self_attn.q_norm", "attn_q_norm"},  {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},        {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

constexpr Pair kAudioLayer[] = {
    {"feed_forward1.pre_layer_norm", "ffn_norm"},
    {"feed_forward1.ffw_layer_1", "ffn_up"},
    {"feed_forward1.ffw_layer_2", "ffn_down"},
    {"feed_forward1.post_layer_norm", "ffn_post_norm"},
    {"feed_forward2.pre_layer_norm", "ffn_norm_1"},
    {"feed_forward2.ffw_layer_1", "ffn_up_1"},
    {"feed_forward2.ffw_layer_2", "ffn_down_1"},
    {"feed_forward2.post_layer_norm", "ffn_post_norm_1"},
    {"norm_pre_attn", "attn_pre_norm"},
    {"norm_post_attn", "attn_post_norm"},
    {"norm_out", "ln2"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.post", "attn_out"},
    {"self_attn.per_dim_scale", "per_dim_scale"},
    {"self_attn.relative_k_proj", "attn_k_rel"},
    {"lconv1d.pre_layer_norm", "conv_norm"},
    {"lconv1d.conv_norm", "norm_conv"},
    {"lconv1d.linear_start", "conv_pw1"},
    {"lconv1d.linear_end", "conv_pw2"},
    {"lconv1d.depthwise_conv1d", "conv_dw"},
};

/** `name` by the one pair that it is of: what follows stays, but that GGUF has no ".linear", and every tensor ends. */
std::optional<std::string> translate(std::string_view name, std::string_view gguf_head, std::span<const Pair> pairs) {
  for (const Pair& p : pairs) {
    if (!name.starts_with(p.reference)) continue;
    std::string_view rest = name.substr(p.reference.size());
    if (!rest.empty() && rest.front() != '.') continue;
    if (rest.empty() || rest == ".linear.weight") rest = ".weight";
    return std::string(gguf_head).append(p.gguf).append(rest);
  }
  return std::nullopt;
}

std::optional<std::string> of_layer(std::string_view name, std::string_view head, std::string_view gguf_head,
                                    std::span<const Pair> pairs) {
  if (!name.starts_with(head)) return std::nullopt;
  name.remove_prefix(head.size());
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  return translate(name.substr(dot + 1), std::string(gguf_head).append(name.substr(0, dot + 1)), pairs);
}

}  // namespace

bool is_media_name(std::string_view bare) {
  for (std::string_view head : {"vision_tower.", "audio_tower.", "vision_embedder.", "embed_vision.", "embed_audio."}) {
    if (bare.starts_with(head)) return true;
  }
  return false;
}

std::optional<std::string> media_gguf_name(std::string_view bare) {
  if (bare == "vision_tower.std_bias") return "v.std_bias";
  if (bare == "vision_tower.std_scale") return "v.std_scale";
  if (auto name = of_layer(bare, "vision_tower.encoder.layers.", "v.blk.", kVisionLayer)) return name;
  if (auto name = of_layer(bare, "audio_tower.layers.", "a.blk.", kAudioLayer)) return name;
  return translate(bare, "", kWhole);
}

}  // namespace gemma
