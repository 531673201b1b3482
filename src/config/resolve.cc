// SPDX-License-Identifier: Apache-2.0
#include "config/resolve.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace gemma::resolve {

void refuse_architecture(std::string_view where, std::string_view name) {
  fail(where, "architecture '{}' is not supported: gemma4 reads gemma3, gemma4 and gemma4_unified checkpoints", name);
}

Rope rope(int head_dim, int rotated, double theta, double factor) {
  Rope rope{{}, theta, factor};
  rope.inverse_frequency.assign(static_cast<size_t>(head_dim / 2), 0.0f);
  for (int i = 0; i < rotated; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float frequency = 1.0f / std::pow(static_cast<float>(theta), exponent);
    rope.inverse_frequency[static_cast<size_t>(i)] = frequency / static_cast<float>(factor);
  }
  return rope;
}

void share_caches(Config& config, int shared, std::string_view where) {
  const int layers = static_cast<int>(config.layers.size());
  const int first = layers - shared;
  for (int i = 0; i < layers; ++i) {
    LayerConfig& layer = config.layers[static_cast<size_t>(i)];
    layer.kv_source = i;
    if (i < first) continue;
    int source = first - 1;
    while (source >= 0 && config.layers[static_cast<size_t>(source)].global != layer.global) --source;
    if (source < 0) {
      fail(where, "layer {} shares the cache of an earlier {} layer, but none of the first {} layers is one", i,
           layer.global ? "full" : "sliding", first);
    }
    layer.kv_source = source;
  }
}

void drop_foreign_ids(Config& config) {
  const auto foreign = [&](int32_t id) { return id < 0 || id >= config.vocab; };
  std::erase_if(config.special.eos, foreign);
  std::erase_if(config.special.suppress, foreign);
  for (int32_t* id : {&config.special.image, &config.special.video, &config.special.audio, &config.special.image_begin,
                      &config.special.image_end, &config.special.audio_begin, &config.special.audio_end}) {
    if (foreign(*id)) *id = -1;
  }
}

namespace {

void check_layer(const Config& config, size_t i, std::string_view where) {
  const LayerConfig& layer = config.layers[i];
  if (layer.heads % layer.kv_heads != 0) {
    fail(where, "layer {}: expected a number of heads that {} KV heads divide, found {}", i, layer.kv_heads,
         layer.heads);
  }
  if (layer.head_dim % 2 != 0) fail(where, "layer {}: expected an even head size, found {}", i, layer.head_dim);
  if (layer.moe && layer.moe->top_k > layer.moe->experts) {
    fail(where, "layer {}: expected at most {} experts per token, as many as there are, found {}", i,
         layer.moe->experts, layer.moe->top_k);
  }
  if (layer.kv_source == kTargetLayer || layer.kv_source == static_cast<int>(i)) return;
  const LayerConfig& source = config.layers[static_cast<size_t>(layer.kv_source)];
  if (source.kv_heads != layer.kv_heads || source.head_dim != layer.head_dim) {
    fail(where, "layer {}: expected the cache of layer {}, which it shares, [{} heads of {}], found [{} heads of {}]",
         i, layer.kv_source, source.kv_heads, source.head_dim, layer.kv_heads, layer.head_dim);
  }
}

}  // namespace

void check(const Config& config, std::string_view where) {
  if (config.layers.empty()) fail(where, "expected at least one layer, found none");
  for (size_t i = 0; i < config.layers.size(); ++i) check_layer(config, i, where);
  for (const auto& [name, id] : {std::pair{"pad", config.special.pad}, std::pair{"bos", config.special.bos}}) {
    if (id < 0 || id >= config.vocab) {
      fail(where, "{} token: expected an id below the vocabulary's {}, found {}", name, config.vocab, id);
    }
  }
}

}  // namespace gemma::resolve

namespace gemma {

Config Config::from(const ModelFile& file) {
  if (file.format() == FileFormat::gguf) return resolve::from_gguf(file);
  const auto config = file.side_json("config.json");
  if (!config) fail(file.name(), "config.json is missing beside the weights");
  const auto generation = file.side_json("generation_config.json");
  const std::string where = (file.folder().empty() ? "" : file.folder() + "/") + "config.json";
  return from_json(where, *config, generation ? &*generation : nullptr);
}

}  // namespace gemma
