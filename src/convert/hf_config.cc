// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "config/resolve.h"
#include "convert/hf_files.h"

namespace gemma {
namespace {

/** The double nearest to the shortest text of a float: 1e-06, not 9.999999974752427e-07. */
double plain(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

const LayerConfig* first_of(const Config& config, bool global) {
  const auto found = std::find_if(config.layers.begin(), config.layers.end(),
                                  [&](const LayerConfig& layer) { return layer.global == global; });
  return found == config.layers.end() ? nullptr : &*found;
}

int shared_layers(const Config& config) {
  int shared = 0;
  for (size_t i = 0; i < config.layers.size(); ++i) shared += config.layers[i].kv_source != static_cast<int>(i);
  return shared;
}

/** rope_parameters of one kind of layers, read off its frequencies. */
json::object rope_of(std::string_view where, const LayerConfig& layer, bool proportional) {
  const std::vector<float>& f = layer.rope.inverse_frequency;
  const auto rotated = static_cast<int>(std::find(f.begin(), f.end(), 0.0f) - f.begin());
  const double factor = rotated > 0 ? 1.0 / double{f[0]} : 1.0;  // theta^0 / factor
  const Rope expected = resolve::rope(layer.head_dim, rotated, layer.rope.theta, factor);
  for (size_t i = 0; i < f.size(); ++i) {
    if (std::fabs(f[i] - expected.inverse_frequency[i]) <= 1e-5f * expected.inverse_frequency[i]) continue;
    fail(where, "RoPE frequencies that config.json has no words for (pair {}: expected {}, found {})", i,
         expected.inverse_frequency[i], f[i]);
  }
  json::object rope;
  if (proportional) {
    rope["rope_type"] = "proportional";
    rope["partial_rotary_factor"] = 2.0 * rotated / layer.head_dim;
  } else {
    if (rotated != layer.head_dim / 2)
      fail(where, "a RoPE that turns only a part of a head, on layers of the plain kind");
    rope["rope_type"] = factor == 1 ? "default" : "linear";
  }
  rope["rope_theta"] = layer.rope.theta;
  if (factor != 1) rope["factor"] = plain(static_cast<float>(factor));
  return rope;
}

json::object ropes_of(std::string_view where, const Config& config) {
  json::object ropes;
  const LayerConfig* full = first_of(config, true);
  const LayerConfig* sliding = first_of(config, false);
  if (full != nullptr) ropes["full_attention"] = rope_of(where, *full, config.generation == 4);
  if (sliding != nullptr) ropes["sliding_attention"] = rope_of(where, *sliding, false);
  return ropes;
}

json::array layer_types(const Config& config) {
  json::array types;
  for (const LayerConfig& layer : config.layers)
    types.emplace_back(layer.global ? "full_attention" : "sliding_attention");
  return types;
}

/** head_dim and KV heads: plain keys for sliding layers, global_* for full ones, or a map where these cannot say it. */
void set_shapes(std::string_view where, const Config& config, json::object& out) {
  const LayerConfig* full = first_of(config, true);
  const LayerConfig* sliding = first_of(config, false);
  const LayerConfig& plain_layer = sliding != nullptr ? *sliding : *full;
  out["num_attention_heads"] = plain_layer.heads;
  out["num_key_value_heads"] = plain_layer.kv_heads;
  out["head_dim"] = plain_layer.head_dim;
  bool uniform = true;
  for (const LayerConfig& layer : config.layers) {
    if (layer.heads != plain_layer.heads)
      fail(where, "layers with {} and {} heads: config.json holds one number", plain_layer.heads, layer.heads);
    const LayerConfig& kind = layer.global ? *full : *sliding;
    uniform = uniform && layer.head_dim == kind.head_dim && layer.kv_heads == kind.kv_heads;
  }
  if (config.generation == 3) {
    if (!uniform || (full != nullptr && sliding != nullptr && full->head_dim != sliding->head_dim)) {
      fail(where, "Gemma 3 layers of different shapes: config.json has no words for them");
    }
    return;
  }
  const bool k_is_v = full != nullptr && full->k_is_v;
  out["attention_k_eq_v"] = k_is_v;
  if (uniform && (full == nullptr || k_is_v || full->kv_heads == plain_layer.kv_heads)) {
    out["global_head_dim"] = full != nullptr ? full->head_dim : plain_layer.head_dim;
    out["num_global_key_value_heads"] = k_is_v ? json::value(full->kv_heads) : json::value(nullptr);
    return;
  }
  json::object map;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    if (layer.head_dim == plain_layer.head_dim && layer.kv_heads == plain_layer.kv_heads) continue;
    map[std::to_string(i)] = json::object{{"head_dim", layer.head_dim}, {"num_key_value_heads", layer.kv_heads}};
  }
  out["per_layer_config"] = std::move(map);
}

void set_widths(std::string_view where, const Config& config, json::object& out) {
  const int width = config.layers.front().mlp_width, shared = shared_layers(config);
  const size_t first_shared = config.layers.size() - static_cast<size_t>(shared);
  const bool wide = shared > 0 && config.layers.back().mlp_width == 2 * width;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const int expected = wide && i >= first_shared ? 2 * width : width;
    if (config.layers[i].mlp_width != expected) {
      fail(where, "layer {}: an MLP of width {} where config.json can only say {}", i, config.layers[i].mlp_width,
           expected);
    }
  }
  out["intermediate_size"] = width;
  if (config.generation == 4) out["use_double_wide_mlp"] = wide;
}

void set_gemma4(const Config& config, json::object& out) {
  const std::optional<MoeConfig>& moe = config.layers.front().moe;
  out["enable_moe_block"] = moe.has_value();
  out["num_experts"] = moe ? json::value(moe->experts) : json::value(nullptr);
  out["top_k_experts"] = moe ? json::value(moe->top_k) : json::value(nullptr);
  out["moe_intermediate_size"] = moe ? json::value(moe->width) : json::value(nullptr);
  out["hidden_size_per_layer_input"] = config.per_layer_dim;
  out["vocab_size_per_layer_input"] = config.vocab;
  out["num_kv_shared_layers"] = shared_layers(config);
  const LayerConfig* sliding = first_of(config, false);
  const bool vision = sliding != nullptr && sliding->bidirectional_media;
  out["use_bidirectional_attention"] = vision ? json::value("vision") : json::value(nullptr);
}

void set_gemma3(const Config& config, json::object& out) {
  const double scale = config.layers.front().attention_scale, scalar = 1.0 / (scale * scale);
  const double whole = std::nearbyint(scalar);
  out["query_pre_attn_scalar"] =
      std::fabs(scalar - whole) < 1e-4 * scalar ? json::value(static_cast<int64_t>(whole)) : json::value(scalar);
  out["attn_logit_softcapping"] = nullptr;
  out["use_bidirectional_attention"] = false;
}

}  // namespace

json::object hf_config(std::string_view where, const Config& config, DType dtype) {
  const bool gemma3 = config.generation == 3;
  json::object out;
  out["architectures"] = json::array{gemma3 ? "Gemma3ForCausalLM" : "Gemma4ForCausalLM"};
  out["model_type"] = gemma3 ? "gemma3_text" : "gemma4_text";
  out["dtype"] = dtype == DType::bf16 ? "bfloat16" : dtype == DType::f16 ? "float16" : "float32";
  out["attention_bias"] = false;
  out["attention_dropout"] = 0.0;
  out["bos_token_id"] = config.special.bos;
  out["eos_token_id"] = config.special.eos.empty() ? json::value(1) : json::value(config.special.eos.front());
  out["pad_token_id"] = config.special.pad;
  out["final_logit_softcapping"] = config.softcap ? json::value(plain(*config.softcap)) : json::value(nullptr);
  out["hidden_activation"] = "gelu_pytorch_tanh";
  out["hidden_size"] = config.dim;
  out["initializer_range"] = 0.02;
  out["layer_types"] = layer_types(config);
  out["max_position_embeddings"] = config.context;
  out["num_hidden_layers"] = static_cast<int64_t>(config.layers.size());
  out["rms_norm_eps"] = plain(config.norm_eps);
  out["rope_parameters"] = ropes_of(where, config);
  const LayerConfig* sliding = first_of(config, false);
  out["sliding_window"] = sliding != nullptr ? json::value(sliding->window) : json::value(config.context);
  out["tie_word_embeddings"] = config.tied_head;
  out["use_cache"] = true;
  out["vocab_size"] = config.vocab;
  set_shapes(where, config, out);
  set_widths(where, config, out);
  if (gemma3) {
    set_gemma3(config, out);
  } else {
    set_gemma4(config, out);
  }
  return out;
}

json::object hf_generation_config(const Config& config) {
  json::object out;
  const auto ids = [](const std::vector<int32_t>& list) { return json::array(list.begin(), list.end()); };
  out["bos_token_id"] = config.special.bos;
  out["eos_token_id"] = ids(config.special.eos);
  out["pad_token_id"] = config.special.pad;
  const GenerationDefaults& defaults = config.generation_defaults;
  if (defaults.temperature) {
    out["do_sample"] = true;
    out["temperature"] = plain(*defaults.temperature);
  }
  if (defaults.top_k) out["top_k"] = *defaults.top_k;
  if (defaults.top_p) out["top_p"] = plain(*defaults.top_p);
  if (!config.special.suppress.empty()) out["suppress_tokens"] = ids(config.special.suppress);
  return out;
}

}  // namespace gemma
