// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json of Hugging Face checkpoints -> Config. Both forms of per-layer shapes (spec
// section 2), Gemma 3's older RoPE keys, and the class defaults of transformers for keys that a file leaves out.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/resolve.h"

namespace gemma {
namespace {

constexpr std::string_view kFull = "full_attention", kSliding = "sliding_attention";

/** What a class of transformers assumes for a key that is not there. */
struct Defaults {
  int vocab = 262144, dim = 2304, mlp_width = 9216, layers = 30, heads = 8, kv_heads = 4, head_dim = 256;
  int context = 131072, window = 512, per_layer_dim = 256, global_head_dim = 512;
  std::string_view bidirectional = "";  // or "vision"
};

struct Family {
  std::string_view model_type;  // without "_text"
  int generation;
  Defaults defaults;
};

const Family kFamilies[] = {
    {"gemma4", 4, {}},
    {"gemma4_unified", 4, {.context = 262144, .window = 1024, .per_layer_dim = 0, .bidirectional = "vision"}},
    {"gemma3", 3, {.vocab = 262208, .layers = 26, .window = 4096, .per_layer_dim = 0}},
};

struct ClassName {
  std::string_view name, model_type;
};

constexpr ClassName kClasses[] = {
    {"Gemma4ForConditionalGeneration", "gemma4"},
    {"Gemma4ForCausalLM", "gemma4"},
    {"Gemma4UnifiedForConditionalGeneration", "gemma4_unified"},
    {"Gemma4UnifiedForCausalLM", "gemma4_unified"},
    {"Gemma3ForConditionalGeneration", "gemma3"},
    {"Gemma3ForCausalLM", "gemma3"},
    {"Gemma4AssistantForCausalLM", "gemma4_assistant"},
    {"Gemma4UnifiedAssistantForCausalLM", "gemma4_unified_assistant"},
};

/** model_type without "_text"; from the class name where a file has no model_type. */
std::string family_name(const Keys& keys) {
  if (const auto type = keys.string("model_type")) {
    return type->ends_with("_text") ? type->substr(0, type->size() - 5) : *type;
  }
  const auto classes = keys.strings("architectures");
  if (!classes || classes->empty()) keys.fail_key("model_type", "the name of an architecture", nullptr);
  for (const ClassName& c : kClasses) {
    if (c.name == classes->front()) return std::string(c.model_type);
  }
  resolve::refuse_architecture(keys.where(), classes->front());
}

const Family& family_of(const Keys& keys, std::string_view name) {
  for (const Family& f : kFamilies) {
    if (f.model_type == name) return f;
  }
  if (name.ends_with("_assistant")) {
    fail(keys.where(), "'{}' is a drafter, not a model of its own: give it with --draft beside its target", name);
  }
  resolve::refuse_architecture(keys.where(), name);
}

/** What would change the numbers in a way that no checkpoint of the family has. */
void refuse_unsupported(const Keys& text) {
  for (std::string_view key : {"hidden_activation", "hidden_act"}) {
    const auto name = text.string(key);
    if (name && *name != "gelu_pytorch_tanh") text.fail_key(key, "gelu_pytorch_tanh", text.all().if_contains(key));
  }
  if (text.boolean("attention_bias").value_or(false)) {
    text.fail_key("attention_bias", "false", text.all().if_contains("attention_bias"));
  }
  if (text.has("attn_logit_softcapping")) {
    text.fail_key("attn_logit_softcapping", "null", text.all().if_contains("attn_logit_softcapping"));
  }
}

// ---- layers ----

/** One entry per layer: global or not. */
std::vector<bool> layer_kinds(const Keys& text, const Family& family, int layers) {
  std::vector<bool> global(static_cast<size_t>(layers));
  if (const auto types = text.strings("layer_types")) {
    if (types->size() != global.size()) {
      fail(text.where(), "layer_types: expected {} entries, one a layer, found {}", layers, types->size());
    }
    for (size_t i = 0; i < global.size(); ++i) {
      if ((*types)[i] != kFull && (*types)[i] != kSliding) {
        fail(text.where(), "layer_types[{}]: expected {} or {}, found '{}'", i, kFull, kSliding, (*types)[i]);
      }
      global[i] = (*types)[i] == kFull;
    }
  } else {
    int period = resolve::kDefaultPattern;
    if (family.generation == 3) {
      period = text.integer("sliding_window_pattern", 1, resolve::kMaxLayers).value_or(period);
    }
    for (size_t i = 0; i < global.size(); ++i) global[i] = (static_cast<int>(i) + 1) % period == 0;
  }
  if (family.generation == 4) global.back() = true;  // the reference forces it (spec section 2)
  return global;
}

/** Keys of one kind of layer's RoPE: rope_parameters.KIND, or Gemma 3's older keys at the top. */
class RopeKeys {
 public:
  RopeKeys(const Keys& text, const Family& family, bool global) {
    type_ = family.generation == 4 && global ? "proportional" : "default";
    theta_ = global ? 1e6 : 1e4;
    partial_ = type_ == "proportional" ? 0.25 : 1.0;
    const auto both = text.object("rope_parameters");
    if (family.generation == 3) read_old(text, global);
    if (!both) return;
    if (const auto own = both->object(global ? kFull : kSliding)) read(*own);
  }

  Rope rope(int head_dim) const {
    const int pairs = head_dim / 2;
    if (type_ == "default") return resolve::rope(head_dim, pairs, theta_, 1.0);
    if (type_ == "linear") return resolve::rope(head_dim, pairs, theta_, factor_);
    const int rotated = static_cast<int>(std::floor(partial_ * head_dim / 2));
    return resolve::rope(head_dim, std::min(rotated, pairs), theta_, factor_);
  }

 private:
  void read(const Keys& keys) {
    type_ = keys.string("rope_type").value_or(keys.string("type").value_or("default"));
    if (type_ != "default" && type_ != "linear" && type_ != "proportional") {
      keys.fail_key("rope_type", "default, linear or proportional", keys.all().if_contains("rope_type"));
    }
    theta_ = keys.number("rope_theta", resolve::kMinTheta, resolve::kMaxTheta).value_or(theta_);
    partial_ = keys.number("partial_rotary_factor", 0.0, 1.0).value_or(1.0);
    factor_ = keys.number("factor", 1e-6, 1e6).value_or(1.0);
    if (type_ == "linear" && partial_ != 1.0) {
      keys.fail_key("partial_rotary_factor", "1 beside rope_type linear",
                    keys.all().if_contains("partial_rotary_factor"));
    }
  }

  void read_old(const Keys& text, bool global) {
    theta_ = text.number(global ? "rope_theta" : "rope_local_base_freq", resolve::kMinTheta, resolve::kMaxTheta)
                 .value_or(theta_);
    if (!global) return;
    if (const auto scaling = text.object("rope_scaling")) read(*scaling);
  }

  std::string type_;
  double theta_ = 1e4, partial_ = 1.0, factor_ = 1.0;
};

struct Override {
  std::optional<int> head_dim, kv_heads;
};

/** per_layer_config: layer index (as a string, perhaps zero-padded) -> overrides. */
std::map<int, Override> overrides_of(const Keys& text, int layers) {
  std::map<int, Override> overrides;
  const auto map = text.object("per_layer_config");
  if (!map) return overrides;
  for (const auto& [key, value] : map->all()) {
    int layer = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), layer);
    if (error != std::errc() || end != key.data() + key.size() || layer < 0 || layer >= layers) {
      map->fail_key(key, fmt::format("a layer index below {} as its name", layers), &value);
    }
    const auto own = map->object(key);
    if (!own) continue;
    for (const auto& [name, setting] : own->all()) {
      if (name != "head_dim" && name != "num_key_value_heads") {
        own->fail_key(name, "nothing: only head_dim and num_key_value_heads differ by layer", &setting);
      }
    }
    overrides[layer] = {own->integer("head_dim", 2, resolve::kMaxHeadDim),
                        own->integer("num_key_value_heads", 1, resolve::kMaxHeads)};
  }
  return overrides;
}

/** head_dim and kv_heads of every layer, in whichever form the file has them (spec section 2). */
void set_shapes(Config& c, const Keys& text, const Family& family) {
  const Defaults& d = family.defaults;
  const int heads = text.integer("num_attention_heads", 1, resolve::kMaxHeads).value_or(d.heads);
  const int kv_heads = text.integer("num_key_value_heads", 1, resolve::kMaxHeads).value_or(d.kv_heads);
  const int head_dim = text.integer("head_dim", 2, resolve::kMaxHeadDim).value_or(d.head_dim);
  const bool k_eq_v = text.boolean("attention_k_eq_v").value_or(false);
  const auto global_dim = text.integer("global_head_dim", 2, resolve::kMaxHeadDim);
  const auto global_kv = text.integer("num_global_key_value_heads", 1, resolve::kMaxHeads);
  const auto overrides = overrides_of(text, static_cast<int>(c.layers.size()));
  const bool map_form = text.names("per_layer_config") || family.generation == 3;
  for (size_t i = 0; i < c.layers.size(); ++i) {
    LayerConfig& layer = c.layers[i];
    layer.heads = heads;
    layer.kv_heads = kv_heads;
    layer.head_dim = head_dim;
    layer.k_is_v = k_eq_v && layer.global;
    if (!map_form && layer.global) {
      layer.head_dim = global_dim.value_or(d.global_head_dim);
      if (k_eq_v && global_kv) layer.kv_heads = *global_kv;
    }
    if (const auto own = overrides.find(static_cast<int>(i)); own != overrides.end()) {
      layer.head_dim = own->second.head_dim.value_or(layer.head_dim);
      layer.kv_heads = own->second.kv_heads.value_or(layer.kv_heads);
    }
  }
}

std::optional<MoeConfig> moe_of(const Keys& text) {
  if (!text.boolean("enable_moe_block").value_or(false)) return std::nullopt;
  const auto need = [&](std::string_view key, int64_t limit) {
    const auto n = text.integer(key, 1, limit);
    if (!n) text.fail_key(key, "a number, since enable_moe_block is true", nullptr);
    return *n;
  };
  return MoeConfig{need("num_experts", resolve::kMaxExperts), need("top_k_experts", resolve::kMaxExperts),
                   need("moe_intermediate_size", resolve::kMaxWidth)};
}

bool vision_masks(const Keys& text, const Family& family) {
  constexpr std::string_view kKey = "use_bidirectional_attention";
  const json::value* value = text.all().if_contains(kKey);
  if (value == nullptr) return family.defaults.bidirectional == "vision";
  if (value->is_null() || (value->is_bool() && !value->get_bool())) return false;
  if (value->is_string() && value->get_string() == "vision") return true;
  text.fail_key(kKey, "null or \"vision\" (a model that sees all tokens both ways does not generate)", value);
}

void set_layers(Config& c, const Keys& text, const Family& family) {
  const Defaults& d = family.defaults;
  const int layers = text.integer("num_hidden_layers", 1, resolve::kMaxLayers).value_or(d.layers);
  const int window = text.integer("sliding_window", 1, resolve::kMaxTokens).value_or(d.window);
  const int width = text.integer("intermediate_size", 1, resolve::kMaxWidth).value_or(d.mlp_width);
  const double scalar = text.number("query_pre_attn_scalar", 1e-6, resolve::kMaxScale).value_or(256.0);
  const bool vision = vision_masks(text, family);
  const std::optional<MoeConfig> moe = family.generation == 4 ? moe_of(text) : std::nullopt;
  const std::vector<bool> global = layer_kinds(text, family, layers);
  c.layers.resize(static_cast<size_t>(layers));
  for (size_t i = 0; i < c.layers.size(); ++i) {
    LayerConfig& layer = c.layers[i];
    layer.global = global[i];
    layer.window = layer.global ? 0 : window;
    layer.mlp_width = width;
    layer.moe = moe;
    layer.bidirectional_media = vision && !layer.global;
    layer.v_norm = layer.layer_scalar = family.generation == 4;
    if (family.generation == 3) layer.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  }
  set_shapes(c, text, family);
  const RopeKeys full(text, family, true), sliding(text, family, false);
  for (LayerConfig& layer : c.layers) layer.rope = (layer.global ? full : sliding).rope(layer.head_dim);
}

void set_sharing(Config& c, const Keys& text) {
  const int layers = static_cast<int>(c.layers.size());
  const int shared = text.integer("num_kv_shared_layers", 0, layers - 1).value_or(0);
  resolve::share_caches(c, shared, text.where());
  if (!text.boolean("use_double_wide_mlp").value_or(false)) return;
  for (int i = layers - shared; i < layers; ++i) c.layers[static_cast<size_t>(i)].mlp_width *= 2;
}

// ---- tokens ----

int32_t id_of(const Keys& keys, std::initializer_list<std::string_view> names, int32_t otherwise) {
  for (std::string_view name : names) {
    if (const auto id = keys.integer(name, 0, INT32_MAX)) return *id;
  }
  return otherwise;
}

void set_tokens(Config& c, const Keys& top, const Keys& text, const Keys* generation, const Family& family) {
  SpecialTokens& s = c.special;
  s.bos = id_of(text, {"bos_token_id"}, 2);
  s.pad = id_of(text, {"pad_token_id"}, 0);
  if (family.generation == 4 && top.has("text_config")) {
    s.image = id_of(top, {"image_token_id"}, 258880);
    s.video = id_of(top, {"video_token_id"}, 258884);
    s.audio = id_of(top, {"audio_token_id"}, 258881);
    s.image_begin = id_of(top, {"boi_token_id"}, 255999);
    s.image_end = id_of(top, {"eoi_token_id"}, 258882);
    s.audio_begin = id_of(top, {"boa_token_id"}, 256000);
    s.audio_end = id_of(top, {"eoa_token_index", "eoa_token_id"}, 258883);
  }
  auto eos = generation != nullptr ? generation->ids("eos_token_id") : std::nullopt;
  if (!eos) eos = top.ids("eos_token_id");
  if (!eos) eos = text.ids("eos_token_id");
  s.eos = eos.value_or(std::vector<int32_t>{1});
  auto suppress = generation != nullptr ? generation->ids("suppress_tokens") : std::nullopt;
  // The 12B's end markers win now and then as output rows (spec/gemma4_unified.md section 7).
  if (!suppress && family.model_type == "gemma4_unified") suppress = {s.image_end, s.audio_end};
  s.suppress = suppress.value_or(std::vector<int32_t>{});
  resolve::drop_foreign_ids(c);
}

void set_generation(Config& c, const Keys& generation) {
  const auto number = [&](std::string_view key, double low, double high) -> std::optional<float> {
    const auto x = generation.number(key, low, high);
    return x ? std::optional(static_cast<float>(*x)) : std::nullopt;
  };
  c.generation_defaults.temperature = number("temperature", 0.0, 1e3);
  c.generation_defaults.top_p = number("top_p", 0.0, 1.0);
  c.generation_defaults.top_k = generation.integer("top_k", 0, resolve::kMaxVocab);
}

Config read_text(const Keys& text, const Family& family) {
  refuse_unsupported(text);
  const Defaults& d = family.defaults;
  Config c;
  c.architecture = family.model_type;
  c.generation = family.generation;
  c.vocab = text.integer("vocab_size", 1, resolve::kMaxVocab).value_or(d.vocab);
  c.dim = text.integer("hidden_size", 1, resolve::kMaxWidth).value_or(d.dim);
  c.context = text.integer("max_position_embeddings", 1, resolve::kMaxTokens).value_or(d.context);
  c.norm_eps = static_cast<float>(text.number("rms_norm_eps", resolve::kMinEps, resolve::kMaxEps).value_or(1e-6));
  c.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(c.dim)));
  const double cap = text.number("final_logit_softcapping", 0.0, resolve::kMaxScale).value_or(0.0);
  if (cap > 0) c.softcap = static_cast<float>(cap);
  c.per_layer_dim = family.generation == 4
                        ? text.integer("hidden_size_per_layer_input", 0, resolve::kMaxWidth).value_or(d.per_layer_dim)
                        : 0;
  set_layers(c, text, family);
  return c;
}

void check_per_layer_vocab(const Config& c, const Keys& text) {
  const auto rows = text.integer("vocab_size_per_layer_input", 0, resolve::kMaxVocab);
  if (c.per_layer_dim > 0 && rows && *rows != c.vocab) {
    text.fail_key("vocab_size_per_layer_input", fmt::format("{}, as vocab_size", c.vocab),
                  text.all().if_contains("vocab_size_per_layer_input"));
  }
}

}  // namespace

Config Config::from_json(std::string_view where, const json::value& config, const json::value* generation) {
  const Keys top(where, config);
  const Family& family = family_of(top, family_name(top));
  const std::optional<Keys> nested = top.object("text_config");
  const Keys& text = nested ? *nested : top;
  Config c = read_text(text, family);
  c.tied_head = top.boolean("tie_word_embeddings").value_or(text.boolean("tie_word_embeddings").value_or(true));
  check_per_layer_vocab(c, text);
  set_sharing(c, text);
  std::optional<Keys> defaults;
  if (generation != nullptr) defaults.emplace("generation_config.json", *generation);
  set_tokens(c, top, text, defaults ? &*defaults : nullptr, family);
  if (defaults) set_generation(c, *defaults);
  resolve::check(c, where);
  return c;
}

namespace resolve {

std::string family_of_json(std::string_view where, const json::value& config) {
  return family_name(Keys(where, config));
}

Config text_from_json(std::string_view where, const json::value& config, std::string_view family) {
  const Keys top(where, config);
  const std::optional<Keys> text = top.object("text_config");
  if (!text) top.fail_key("text_config", "the drafter's stack", nullptr);
  Config c = read_text(*text, family_of(top, family));
  c.special.bos = id_of(*text, {"bos_token_id"}, 2);
  c.special.pad = id_of(*text, {"pad_token_id"}, 0);
  return c;
}

}  // namespace resolve
}  // namespace gemma
