// SPDX-License-Identifier: Apache-2.0
#include "config/drafter_config.h"

#include <algorithm>

#include "base/error.h"
#include "config/keys.h"
#include "config/names.h"
#include "config/resolve.h"

namespace gemma {
namespace {

constexpr std::string_view kSuffix = "_assistant";
constexpr int kDefaultTarget = 1536, kDefaultCentroids = 2048, kDefaultTop = 32;  // the class defaults of transformers

void read_targets_caches(Config& stack) {
  stack.softcap.reset();  // drafts are argmaxes: the reference leaves it out
  for (LayerConfig& layer : stack.layers) {
    layer.kv_source = kTargetLayer;
    layer.k_is_v = false;  // the target's business
  }
}

void check_drafter(const DrafterConfig& c, std::string_view where) {
  if (c.stack.per_layer_dim != 0) fail(where, "a drafter has no per-layer embeddings, found {}", c.stack.per_layer_dim);
  if (c.stack.layers[0].moe) fail(where, "a drafter has no experts, found {}", c.stack.layers[0].moe->experts);
  resolve::check(c.stack, where);
  if (!c.ordered) return;
  if (c.stack.vocab % c.centroids != 0) {
    fail(where, "expected a number of centroids that divides the {} tokens, found {}", c.stack.vocab, c.centroids);
  }
  if (c.top_centroids > c.centroids) {
    fail(where, "expected at most {} chosen centroids, found {}", c.centroids, c.top_centroids);
  }
}

DrafterConfig from_gguf(const ModelFile& file) {
  DrafterConfig c;
  c.stack = resolve::text_from_gguf(file, kGgufDrafter);
  const std::string name = std::string(kGgufDrafter) + ".embedding_length_out";
  const auto width = file.metadata().integer(name);
  if (!width || *width < 1 || *width > resolve::kMaxWidth) {
    fail(file.name(), "key {}: expected the width of the target, found {}", name, width ? *width : 0);
  }
  c.target_dim = static_cast<int>(*width);
  if (const TensorRecord* record = file.find(*gguf_name("masked_embedding.centroids.weight"))) {
    if (record->shape.rank != 2 || record->shape[0] < 1 || record->shape[0] > c.stack.vocab) {
      fail(file.name(), "tensor '{}': expected [centroids, width], found {}", record->name, record->shape.str());
    }
    c.ordered = true;
    c.centroids = static_cast<int>(record->shape[0]);
    const auto top = file.metadata().integer(std::string(kGgufDrafter) + ".centroid_top_k").value_or(kDefaultTop);
    c.top_centroids = static_cast<int>(std::clamp<int64_t>(top, 1, c.centroids));
  }
  read_targets_caches(c.stack);
  check_drafter(c, file.name());
  return c;
}

}  // namespace

bool is_drafter(const ModelFile& file) {
  if (file.format() == FileFormat::gguf) {
    return file.metadata().string("general.architecture").value_or("") == kGgufDrafter;
  }
  const auto config = file.side_json("config.json");
  return config && resolve::family_of_json("config.json", *config).ends_with(kSuffix);
}

DrafterConfig DrafterConfig::from_json(std::string_view where, const json::value& config) {
  std::string family = resolve::family_of_json(where, config);
  if (!family.ends_with(kSuffix)) fail(where, "expected a drafter, found architecture '{}'", family);
  family.resize(family.size() - kSuffix.size());
  const Keys keys(where, config);
  DrafterConfig c;
  c.stack = resolve::text_from_json(where, config, family);
  c.target_dim = keys.integer("backbone_hidden_size", 1, resolve::kMaxWidth).value_or(kDefaultTarget);
  c.ordered = keys.boolean("use_ordered_embeddings").value_or(false);
  c.centroids = keys.integer("num_centroids", 1, resolve::kMaxVocab).value_or(kDefaultCentroids);
  c.top_centroids = keys.integer("centroid_intermediate_top_k", 1, resolve::kMaxVocab).value_or(kDefaultTop);
  read_targets_caches(c.stack);
  check_drafter(c, where);
  return c;
}

DrafterConfig DrafterConfig::from(const ModelFile& file) {
  if (file.format() == FileFormat::gguf) {
    if (!is_drafter(file)) fail(file.name(), "expected a drafter (architecture {})", kGgufDrafter);
    return from_gguf(file);
  }
  const auto config = file.side_json("config.json");
  if (!config) fail(file.name(), "config.json is missing beside the weights");
  return from_json((file.folder().empty() ? "" : file.folder() + "/") + "config.json", *config);
}

int DrafterConfig::source_layer(int layer, const Config& target) const {
  const bool global = stack.layers[static_cast<size_t>(layer)].global;
  for (int i = static_cast<int>(target.layers.size()) - 1; i >= 0; --i) {
    const LayerConfig& l = target.layers[static_cast<size_t>(i)];
    if (l.global == global && l.kv_source == i) return i;
  }
  return -1;
}

void DrafterConfig::check_target(std::string_view where, const Config& target) const {
  if (target_dim != target.dim) {
    fail(where, "expected a drafter for a target of width {}, found one for {}", target.dim, target_dim);
  }
  if (stack.vocab != target.vocab) {
    fail(where, "expected a drafter of {} tokens, as the target, found {}", target.vocab, stack.vocab);
  }
  for (int i = 0; i < static_cast<int>(stack.layers.size()); ++i) {
    const LayerConfig& own = stack.layers[static_cast<size_t>(i)];
    const int source = source_layer(i, target);
    if (source < 0) {
      fail(where, "layer {} reads a {} layer of the target, which has none", i, own.global ? "full" : "sliding");
    }
    const LayerConfig& cache = target.layers[static_cast<size_t>(source)];
    if (own.head_dim != cache.head_dim || own.heads % cache.kv_heads != 0) {
      fail(where, "layer {}: expected {} heads of {} to read the target's {} KV heads of {}", i, own.heads,
           own.head_dim, cache.kv_heads, cache.head_dim);
    }
  }
}

}  // namespace gemma
