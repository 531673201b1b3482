// SPDX-License-Identifier: Apache-2.0
// Names of text tensors: the reference's (below a checkpoint's prefix) and GGUF's, one table for both directions.
//
//   gguf_name("layers.3.mlp.down_proj.weight")     -> "blk.3.ffn_down.weight"
//   reference_name("blk.3.ffn_down_exps.scale")    -> "layers.3.router.per_expert_scale"
//
// Sources: spec/gemma4.md section 2, spec/gguf.md. A few tensors are stored otherwise in GGUF than one by one: see
// split_parts and fused_name below and `rope_freqs.weight`, which has no tensor on the other side.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

/** Prefixes of text tensors, the likeliest first: "model.language_model.", "language_model.model.", "model.", "". */
std::span<const std::string_view> text_prefixes();

/** The name without the checkpoint's prefix: "model.language_model.norm.weight" -> "norm.weight"; the head and a
 *  drafter's own tensors ("lm_head.weight", "pre_projection.weight") have none and stay. nullopt for a tensor of a
 *  vision or audio part. */
std::optional<std::string_view> bare_name(std::string_view name);

/** GGUF's name of a bare reference name; nullopt when the table has none. */
std::optional<std::string> gguf_name(std::string_view bare);

/** The bare reference name of a GGUF name; nullopt when the table has none (rope_freqs, fused or split tensors). */
std::optional<std::string> reference_name(std::string_view gguf);

inline constexpr std::string_view kRopeFreqs = "rope_freqs.weight";

/** GGUF's other way to store a tensor. parts: names of which `bare` is the rows, one expert after another (gate rows
 *  first): "layers.0.experts.gate_up_proj" -> {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight"}. */
std::vector<std::string> split_parts(std::string_view bare);
/** The fused tensor of which q, k and v of a layer are rows, in this order: "blk.0.attn_qkv.weight"; nullopt for other
 *  tensors. */
std::optional<std::string> fused_name(std::string_view bare);

/** Whether GGUF holds 1 + w where a Gemma 3 safetensors checkpoint holds w: all of its norms. */
bool is_shifted_norm(std::string_view bare);

}  // namespace gemma
