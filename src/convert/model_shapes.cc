// SPDX-License-Identifier: Apache-2.0
#include "convert/model_shapes.h"

#include "base/error.h"

namespace gemma {
namespace {

struct ModelShape {
  std::string_view name;
  int generation = 4;
  int layers, period;  // the last layer of each period sees all, the others a window
  int dim, width, heads, kv_heads, window, context;
  int global_kv_heads = 0;  // with K = V on full layers
  int shared = 0;           // layers that read the cache of an earlier one
  bool wide_shared = false;
  int per_layer_dim = 0;
  int experts = 0, top_k = 0, expert_width = 0;
};

constexpr int kVocabulary = 262144;

constexpr ModelShape kShapes[] = {
    {.name = "270m",
     .generation = 3,
     .layers = 18,
     .period = 6,
     .dim = 640,
     .width = 2048,
     .heads = 4,
     .kv_heads = 1,
     .window = 512,
     .context = 32768},
    {.name = "e2b",
     .layers = 35,
     .period = 5,
     .dim = 1536,
     .width = 6144,
     .heads = 8,
     .kv_heads = 1,
     .window = 512,
     .context = 131072,
     .shared = 20,
     .wide_shared = true,
     .per_layer_dim = 256},
    {.name = "e4b",
     .layers = 42,
     .period = 6,
     .dim = 2560,
     .width = 10240,
     .heads = 8,
     .kv_heads = 2,
     .window = 512,
     .context = 131072,
     .shared = 18,
     .per_layer_dim = 256},
    {.name = "12b",
     .layers = 48,
     .period = 6,
     .dim = 3840,
     .width = 15360,
     .heads = 16,
     .kv_heads = 8,
     .window = 1024,
     .context = 262144,
     .global_kv_heads = 1},
    {.name = "26b-a4b",
     .layers = 30,
     .period = 6,
     .dim = 2816,
     .width = 2112,
     .heads = 16,
     .kv_heads = 8,
     .window = 1024,
     .context = 262144,
     .global_kv_heads = 2,
     .experts = 128,
     .top_k = 8,
     .expert_width = 704},
    {.name = "31b",
     .layers = 60,
     .period = 6,
     .dim = 5376,
     .width = 21504,
     .heads = 32,
     .kv_heads = 16,
     .window = 1024,
     .context = 262144,
     .global_kv_heads = 4},
};

const ModelShape& shape_named(std::string_view name) {
  for (const ModelShape& shape : kShapes) {
    if (shape.name == name) return shape;
  }
  fail_usage("SIZE", "expected one of {}, found '{}'", model_size_names(), name);
}

json::array layer_types(int layers, int period) {
  json::array types;
  for (int i = 1; i <= layers; ++i) types.push_back(i % period == 0 ? "full_attention" : "sliding_attention");
  return types;
}

json::object rope(const ModelShape& s) {
  json::object full{{"rope_type", "default"}, {"rope_theta", 1e6}};
  if (s.generation == 4) full = {{"rope_type", "proportional"}, {"rope_theta", 1e6}, {"partial_rotary_factor", 0.25}};
  return {{"full_attention", std::move(full)},
          {"sliding_attention", json::object{{"rope_type", "default"}, {"rope_theta", 1e4}}}};
}

void add_gemma4(const ModelShape& s, int layers, json::object& config) {
  config["global_head_dim"] = 512;
  config["final_logit_softcapping"] = 30.0;
  config["attention_k_eq_v"] = s.global_kv_heads > 0;
  if (s.global_kv_heads > 0) config["num_global_key_value_heads"] = s.global_kv_heads;
  config["hidden_size_per_layer_input"] = s.per_layer_dim;
  config["vocab_size_per_layer_input"] = kVocabulary;
  // The same part of a model cut short, in whole patterns.
  config["num_kv_shared_layers"] = layers * s.shared / s.layers / s.period * s.period;
  config["use_double_wide_mlp"] = s.wide_shared;
  config["enable_moe_block"] = s.experts > 0;
  config["use_bidirectional_attention"] = s.per_layer_dim > 0 ? json::value() : json::value("vision");
  if (s.experts == 0) return;
  config["num_experts"] = s.experts;
  config["top_k_experts"] = s.top_k;
  config["moe_intermediate_size"] = s.expert_width;
}

}  // namespace

std::string model_size_names() {
  std::string names;
  for (const ModelShape& shape : kShapes) names.append(names.empty() ? "" : ", ").append(shape.name);
  return names;
}

json::object config_of_size(std::string_view size, int layers) {
  const ModelShape& s = shape_named(size);
  if (layers == 0) layers = s.layers;
  if (layers < s.period || layers > s.layers || layers % s.period != 0) {
    fail_usage("--layers", "expected a multiple of {} (a pattern of {}) up to {}, found {}", s.period, s.name, s.layers,
               layers);
  }
  json::object config{
      {"model_type", s.generation == 3 ? "gemma3_text" : "gemma4_text"},
      {"_name_or_path",
       fmt::format("random {}{}", s.name, layers < s.layers ? fmt::format(", {} layers", layers) : "")},
      {"vocab_size", kVocabulary},
      {"hidden_size", s.dim},
      {"intermediate_size", s.width},
      {"num_hidden_layers", layers},
      {"num_attention_heads", s.heads},
      {"num_key_value_heads", s.kv_heads},
      {"head_dim", 256},
      {"rms_norm_eps", 1e-6},
      {"max_position_embeddings", s.context},
      {"sliding_window", s.window},
      {"layer_types", layer_types(layers, s.period)},
      {"rope_parameters", rope(s)},
      {"tie_word_embeddings", true},
      {"bos_token_id", 2},
      {"pad_token_id", 0},
  };
  if (s.generation == 4) {
    add_gemma4(s, layers, config);
  } else {
    config["query_pre_attn_scalar"] = 256;
  }
  return config;
}

json::object drafter_config_of_size(std::string_view size) {
  const ModelShape& s = shape_named(size);
  if (s.generation == 3) fail_usage("--drafter", "the {} has none", s.name);
  constexpr int kLayers = 4;
  const bool small = s.per_layer_dim > 0;
  json::object text = config_of_size(size);
  text["hidden_size"] = small ? 256 : 1024;
  text["intermediate_size"] = small ? 2048 : 8192;
  text["num_attention_heads"] = small ? 4 : 16;
  text["num_hidden_layers"] = text["num_kv_shared_layers"] = kLayers;
  text["layer_types"] = layer_types(kLayers, kLayers);
  text["hidden_size_per_layer_input"] = text["vocab_size_per_layer_input"] = 0;
  text["use_double_wide_mlp"] = text["enable_moe_block"] = false;
  text["final_logit_softcapping"] = nullptr;
  return {{"model_type", "gemma4_assistant"},
          {"_name_or_path", fmt::format("random drafter of {}", s.name)},
          {"backbone_hidden_size", s.dim},
          {"use_ordered_embeddings", small},
          {"num_centroids", 2048},
          {"centroid_intermediate_top_k", 32},
          {"text_config", std::move(text)}};
}

json::object encoder_config_of_size(std::string_view size) {
  const ModelShape& s = shape_named(size);
  if (s.generation == 3) fail_usage("--encoders", "the {} has none", s.name);
  if (s.name == "12b") {
    return {{"model_type", "gemma4_unified"},
            {"vision_config", json::object{{"mm_embed_dim", s.dim}, {"output_proj_dims", s.dim}}},
            {"audio_config", json::object{{"audio_embed_dim", 640}}}};
  }
  // The keys that are not here have the defaults of their class, which are those of the E models.
  const bool small = s.per_layer_dim > 0;
  json::object vision{{"use_clipped_linears", small}, {"standardize", !small}};
  if (!small) {
    vision.insert({{"hidden_size", 1152},
                   {"intermediate_size", 4304},
                   {"num_hidden_layers", 27},
                   {"num_attention_heads", 16},
                   {"num_key_value_heads", 16},
                   {"head_dim", 72}});
  }
  json::object config{{"model_type", "gemma4"}, {"vision_config", std::move(vision)}};
  if (small) config["audio_config"] = json::object();
  return config;
}

json::object generation_config_of_size(std::string_view size) {
  const ModelShape& s = shape_named(size);
  json::object config{{"bos_token_id", 2}, {"pad_token_id", 0}};
  config["eos_token_id"] = s.generation == 3 ? json::array{1, 106} : json::array{1, 106, 50};
  if (s.name == "12b") config["suppress_tokens"] = json::array{258883, 258882};
  return config;
}

}  // namespace gemma
