// SPDX-License-Identifier: Apache-2.0
#include "config/names.h"

#include <gtest/gtest.h>

namespace gemma {
namespace {

TEST(Names, BothDirectionsAgree) {
  const std::pair<const char*, const char*> known[] = {
      {"embed_tokens.weight", "token_embd.weight"},
      {"norm.weight", "output_norm.weight"},
      {"embed_tokens_per_layer.weight", "per_layer_token_embd.weight"},
      {"layers.12.self_attn.q_norm.weight", "blk.12.attn_q_norm.weight"},
      {"layers.0.layer_scalar", "blk.0.layer_output_scale.weight"},
      {"layers.7.router.scale", "blk.7.ffn_gate_inp.scale"},
      {"layers.7.router.per_expert_scale", "blk.7.ffn_down_exps.scale"},
      {"layers.7.experts.down_proj", "blk.7.ffn_down_exps.weight"},
      {"layers.7.post_per_layer_input_norm.weight", "blk.7.post_norm.weight"},
      {"post_projection.weight", "nextn.post_projection.weight"},
      {"masked_embedding.token_ordering", "masked_embd_ordering"},
  };
  for (const auto& [reference, gguf] : known) {
    EXPECT_EQ(gguf_name(reference), gguf);
    EXPECT_EQ(reference_name(gguf), reference);
  }
}

TEST(Names, UnknownNamesHaveNoCounterpart) {
  for (const char* name : {"", "layers", "layers.", "layers..x", "layers.x.mlp.up_proj.weight", "layers.1.unknown",
                           "layers.00000001.mlp.up_proj.weight", "vision_tower.std_bias"}) {
    EXPECT_EQ(gguf_name(name), std::nullopt) << name;
  }
  EXPECT_EQ(reference_name("rope_freqs.weight"), std::nullopt);
  EXPECT_EQ(reference_name("blk.0.attn_qkv.weight"), std::nullopt);
  EXPECT_EQ(reference_name("blk.0.ffn_gate_exps.weight"), std::nullopt);
}

TEST(Names, PrefixesOfEveryKindOfCheckpoint) {
  EXPECT_EQ(bare_name("model.norm.weight"), "norm.weight");
  EXPECT_EQ(bare_name("model.language_model.layers.3.layer_scalar"), "layers.3.layer_scalar");
  EXPECT_EQ(bare_name("language_model.model.layers.3.mlp.up_proj.weight"), "layers.3.mlp.up_proj.weight");
  EXPECT_EQ(bare_name("lm_head.weight"), "lm_head.weight");
  EXPECT_EQ(bare_name("language_model.lm_head.weight"), "lm_head.weight");
  EXPECT_EQ(bare_name("pre_projection.weight"), "pre_projection.weight");
  EXPECT_EQ(bare_name("model.vision_tower.encoder.layers.0.input_layernorm.weight"), std::nullopt);
  EXPECT_EQ(bare_name("model.embed_audio.embedding_projection.weight"), std::nullopt);
}

TEST(Names, TensorsStoredOtherwise) {
  EXPECT_EQ(split_parts("layers.2.experts.gate_up_proj"),
            (std::vector<std::string>{"blk.2.ffn_gate_exps.weight", "blk.2.ffn_up_exps.weight"}));
  EXPECT_TRUE(split_parts("layers.2.experts.down_proj").empty());
  EXPECT_EQ(fused_name("layers.2.self_attn.v_proj.weight"), "blk.2.attn_qkv.weight");
  EXPECT_EQ(fused_name("layers.2.self_attn.o_proj.weight"), std::nullopt);
}

TEST(Names, ShiftedNormsAreAllNormsOfGemma3) {
  EXPECT_TRUE(is_shifted_norm("norm.weight"));
  EXPECT_TRUE(is_shifted_norm("layers.0.input_layernorm.weight"));
  EXPECT_TRUE(is_shifted_norm("layers.0.self_attn.k_norm.weight"));
  EXPECT_FALSE(is_shifted_norm("layers.0.mlp.up_proj.weight"));
}

}  // namespace
}  // namespace gemma
