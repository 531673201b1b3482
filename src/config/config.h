// SPDX-License-Identifier: Apache-2.0
// What a checkpoint is, as data: layers, sizes, tokens. Resolved once, from config.json (both forms, spec section 2) or
// from GGUF keys; after this nobody asks which model it is. Sizes that the family can have but a golden does not are
// ordinary: every field is used by the forward pass as it stands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "file/model_file.h"

namespace gemma {

struct Rope {
  std::vector<float> inverse_frequency;  // [head_dim / 2]; 0 = pair not rotated (spec section 6)
  double theta = 0, factor = 1;          // what they were made from, for whoever writes a file
};

struct MoeConfig {
  int experts = 0, top_k = 0, width = 0;
};

/** kv_source of a drafter's layers: the target's last layer of the same kind that owns a cache. */
inline constexpr int kTargetLayer = -1;

struct LayerConfig {
  bool global = false;  // full attention; else sliding
  int heads = 0, kv_heads = 0, head_dim = 0;
  int window = 0;  // keys a row sees with itself; 0 = all
  Rope rope;
  float attention_scale = 1.0f;      // 1: q and k are normed; Gemma 3: query_pre_attn_scalar^(-1/2)
  bool v_norm = true;                // Gemma 3 has none
  bool k_is_v = false;               // no v_proj: v is the raw k projection
  bool bidirectional_media = false;  // rows of one picture see one another (sliding layers of "vision" models)
  bool layer_scalar = true;
  int kv_source = 0;  // own index, or the earlier layer whose cache this one reads, or kTargetLayer
  int mlp_width = 0;
  std::optional<MoeConfig> moe;
};

struct SpecialTokens {
  int32_t bos = 2, pad = 0;
  std::vector<int32_t> eos;                    // stop ids of generation_config, else of config
  std::vector<int32_t> suppress;               // never chosen (spec: the 12B, section 7)
  int32_t image = -1, video = -1, audio = -1;  // placeholder ids, -1: none
  int32_t image_begin = -1, image_end = -1, audio_begin = -1, audio_end = -1;
};

/** Defaults of generation_config.json, where it says something. */
struct GenerationDefaults {
  std::optional<float> temperature, top_p;
  std::optional<int> top_k;
};

struct Config {
  std::string architecture;             // "gemma4", "gemma4_unified", "gemma3": for people, not for the forward pass
  int generation = 4;                   // 3: safetensors hold norms as w with (1 + w) meant; see model/weights
  int dim = 0, vocab = 0, context = 0;  // context: max_position_embeddings
  float norm_eps = 1e-6f;
  // sqrt(dim) and sqrt(per_layer_dim); Model::load rounds them to the types of the tables they multiply.
  float embedding_scale = 1.0f, per_layer_scale = 1.0f;
  std::optional<float> softcap;
  int per_layer_dim = 0;  // P; 0 = no per-layer embeddings
  bool tied_head = true;
  std::vector<LayerConfig> layers;
  SpecialTokens special;
  GenerationDefaults generation_defaults;

  /** Fails with the key, expected and found. */
  static Config from(const ModelFile& file);
  /** The same from config.json and, where there is one, generation_config.json. `where` names the file in messages. */
  static Config from_json(std::string_view where, const json::value& config, const json::value* generation = nullptr);
};

}  // namespace gemma
