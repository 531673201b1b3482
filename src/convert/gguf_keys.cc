// SPDX-License-Identifier: Apache-2.0
#include "convert/gguf_keys.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace gemma {
namespace {

/** The layers of one kind, which GGUF describes together. */
class Kind {
 public:
  Kind(const ModelFile& source, const Config& config, bool global)
      : source_(source), name_(global ? "full" : "sliding") {
    for (const LayerConfig& layer : config.layers) {
      if (layer.global == global) layers_.push_back(&layer);
    }
  }
  bool empty() const { return layers_.empty(); }
  const LayerConfig& first() const { return *layers_.front(); }

  /** What all of them share. */
  template <class T>
  T same(std::string_view what, T LayerConfig::* field) const {
    for (const LayerConfig* layer : layers_) {
      if (layer->*field != first().*field) {
        fail(source_.name(), "{} layers: expected one {} for all, since GGUF holds one, found {} and {}", name_, what,
             first().*field, layer->*field);
      }
    }
    return first().*field;
  }

 private:
  const ModelFile& source_;
  std::string_view name_;
  std::vector<const LayerConfig*> layers_;
};

/** One number where all layers agree, else one a layer. */
void set_per_layer(Metadata& keys, const std::string& name, const Config& config, int LayerConfig::* field) {
  std::vector<int64_t> values;
  values.reserve(config.layers.size());
  for (const LayerConfig& layer : config.layers) values.push_back(layer.*field);
  if (std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == values[0]; })) {
    keys.set(name, values[0]);
  } else {
    keys.set(name, std::move(values));
  }
}

bool all_rotated(const Rope& rope) {
  return std::none_of(rope.inverse_frequency.begin(), rope.inverse_frequency.end(), [](float f) { return f == 0; });
}

void set_ropes(const ModelFile& source, const Config& config, const std::string& arch, const Kind& full,
               const Kind& sliding, Metadata& keys) {
  if (!full.empty()) {
    const Rope& rope = full.first().rope;
    keys.set(arch + "rope.freq_base", rope.theta);
    if (config.generation == 3 && rope.factor != 1) {
      keys.set(arch + "rope.scaling.type", std::string("linear"));
      keys.set(arch + "rope.scaling.factor", rope.factor);
    }
    if (config.generation == 3 && !all_rotated(rope)) {
      fail(source.name(), "Gemma 3 layers whose RoPE turns only a part of a head: GGUF cannot say this");
    }
  }
  if (sliding.empty()) return;
  const Rope& rope = sliding.first().rope;
  if (rope.factor != 1 || !all_rotated(rope)) {
    fail(source.name(), "sliding layers: expected plain RoPE, since GGUF holds no factor or part for them");
  }
  keys.set(arch + "rope.freq_base_swa", rope.theta);
}

int shared_layers(const Config& config) {
  int shared = 0;
  for (size_t i = 0; i < config.layers.size(); ++i) shared += config.layers[i].kv_source != static_cast<int>(i);
  return shared;
}

void set_experts(const Config& config, const std::string& arch, Metadata& keys) {
  const auto layer = std::find_if(config.layers.begin(), config.layers.end(), [](const auto& l) { return l.moe; });
  if (layer == config.layers.end()) return;
  keys.set(arch + "expert_count", int64_t{layer->moe->experts});
  keys.set(arch + "expert_used_count", int64_t{layer->moe->top_k});
  keys.set(arch + "expert_feed_forward_length", int64_t{layer->moe->width});
}

std::vector<bool> sliding_flags(const Config& config) {
  std::vector<bool> flags;
  flags.reserve(config.layers.size());
  for (const LayerConfig& layer : config.layers) flags.push_back(!layer.global);
  return flags;
}

void add_gemma4(const Config& config, const std::string& arch, const Kind& full, const Kind& sliding, Metadata& keys) {
  // A model without one kind of layers still needs its sizes: readers ask for both.
  const Kind& f = full.empty() ? sliding : full;
  const Kind& s = sliding.empty() ? full : sliding;
  const int64_t full_dim = f.same("head size", &LayerConfig::head_dim);
  const int64_t sliding_dim = s.same("head size", &LayerConfig::head_dim);
  keys.set(arch + "attention.key_length", full_dim);
  keys.set(arch + "attention.value_length", full_dim);
  keys.set(arch + "attention.key_length_swa", sliding_dim);
  keys.set(arch + "attention.value_length_swa", sliding_dim);
  keys.set(arch + "rope.dimension_count", full_dim);
  keys.set(arch + "rope.dimension_count_swa", sliding_dim);
  keys.set(arch + "attention.sliding_window", int64_t{s.same("window", &LayerConfig::window)});
  keys.set(arch + "attention.sliding_window_pattern", sliding_flags(config));
  keys.set(arch + "attention.shared_kv_layers", int64_t{shared_layers(config)});
  keys.set(arch + "embedding_length_per_layer_input", int64_t{config.per_layer_dim});
  set_experts(config, arch, keys);
}

void add_gemma3(const ModelFile& source, const Config& config, const std::string& arch, const Kind& sliding,
                Metadata& keys) {
  constexpr size_t kLayersOf27B = 62;  // whose scale readers know by this number
  const LayerConfig& first = config.layers.front();
  for (const LayerConfig& layer : config.layers) {
    if (layer.head_dim != first.head_dim) fail(source.name(), "Gemma 3 layers with heads of different sizes");
  }
  keys.set(arch + "attention.key_length", int64_t{first.head_dim});
  keys.set(arch + "attention.value_length", int64_t{first.head_dim});
  const int scalar = config.layers.size() == kLayersOf27B ? config.dim / first.heads : first.head_dim;
  const auto usual = static_cast<float>(1.0 / std::sqrt(static_cast<double>(scalar)));
  if (first.attention_scale != usual) keys.set(arch + "attention.scale", double{first.attention_scale});
  if (sliding.empty()) return;
  keys.set(arch + "attention.sliding_window", int64_t{sliding.same("window", &LayerConfig::window)});
  const std::vector<bool> flags = sliding_flags(config);
  for (size_t i = 0; i < flags.size(); ++i) {
    if (flags[i] == ((i + 1) % 6 != 0)) continue;  // every sixth is full: needs no key
    keys.set(arch + "attention.sliding_window_pattern", flags);
    return;
  }
}

std::string name_of(const ModelFile& source, const Config& config) {
  const auto json = source.side_json("config.json");
  const json::value* name = json && json->is_object() ? json->get_object().if_contains("_name_or_path") : nullptr;
  if (name != nullptr && name->is_string() && !name->get_string().empty() && name->get_string().front() != '/') {
    return std::string(name->get_string());
  }
  return fmt::format("Gemma {}, {} layers of {}", config.generation, config.layers.size(), config.dim);
}

}  // namespace

void add_drafter_keys(const ModelFile& source, const DrafterConfig& drafter, Metadata& keys) {
  const std::string arch = std::string(kGgufDrafter) + ".";
  add_model_keys(source, drafter.stack, keys, kGgufDrafter);
  keys.set(arch + "embedding_length_out", int64_t{drafter.target_dim});
  keys.set(arch + "nextn_predict_layers", static_cast<int64_t>(drafter.stack.layers.size()));
  if (drafter.ordered) keys.set(arch + "centroid_top_k", int64_t{drafter.top_centroids});
}

void add_model_keys(const ModelFile& source, const Config& config, Metadata& keys, std::string_view name) {
  if (name.empty()) name = config.generation == 3 ? "gemma3" : "gemma4";
  const std::string arch = std::string(name) + ".";
  keys.set("general.architecture", std::string(name));
  keys.set("general.type", std::string("model"));
  keys.set("general.name", name_of(source, config));
  keys.set(arch + "block_count", static_cast<int64_t>(config.layers.size()));
  keys.set(arch + "context_length", int64_t{config.context});
  keys.set(arch + "embedding_length", int64_t{config.dim});
  set_per_layer(keys, arch + "feed_forward_length", config, &LayerConfig::mlp_width);
  set_per_layer(keys, arch + "attention.head_count", config, &LayerConfig::heads);
  set_per_layer(keys, arch + "attention.head_count_kv", config, &LayerConfig::kv_heads);
  keys.set(arch + "attention.layer_norm_rms_epsilon", double{config.norm_eps});
  if (config.softcap) keys.set(arch + "final_logit_softcapping", double{*config.softcap});
  keys.set(arch + "vocab_size", int64_t{config.vocab});
  const Kind full(source, config, true), sliding(source, config, false);
  set_ropes(source, config, arch, full, sliding, keys);
  if (config.generation == 4) {
    add_gemma4(config, arch, full, sliding, keys);
  } else {
    add_gemma3(source, config, arch, sliding, keys);
  }
}

void add_file_type_keys(FileType type, Metadata& keys) {
  constexpr int64_t kQuantizationVersion = 2;  // of ggml's block formats
  keys.set("general.quantization_version", kQuantizationVersion);
  keys.set("general.file_type", int64_t{gguf_file_type(type)});
}

std::vector<float> rope_divisors(const Config& config) {
  constexpr float kNotRotated = 1e30f;
  if (config.generation != 4) return {};
  for (const LayerConfig& layer : config.layers) {
    if (!layer.global) continue;
    std::vector<float> divisors;
    divisors.reserve(layer.rope.inverse_frequency.size());
    for (const float f : layer.rope.inverse_frequency) {
      divisors.push_back(f == 0 ? kNotRotated : static_cast<float>(layer.rope.factor));
    }
    return divisors;
  }
  return {};
}

}  // namespace gemma
