// SPDX-License-Identifier: Apache-2.0
// What `gemma4 info` found out about a file, and the two ways to say it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chat/chat_format.h"
#include "config/config.h"
#include "file/model_file.h"
#include "file/verify.h"
#include "tensor/kv_type.h"

namespace gemma::app {

struct TypeCount {
  DType dtype = DType::f32;
  int64_t tensors = 0, values = 0, bytes = 0;
};

/** Layers that differ in nothing but their place. */
struct LayerKind {
  LayerConfig layer;
  bool shares_kv = false;  // reads an earlier layer's cache (a drafter's: the target's)
  int count = 0;
};

struct Parameters {
  int64_t total = 0;
  int64_t per_layer_embedding = 0;  // the table that stays in the file
  int64_t idle_experts = 0;         // not used for any one token
  int64_t other_parts = 0;          // pictures and sound
};

struct MemoryNeed {
  int64_t context = 0, weights = 0, cache = 0, step = 0;  // step: the activations of one
  std::vector<std::pair<KvType, int64_t>> caches;         // by what keys and values are kept as; `cache` is the default
  int64_t total() const { return weights + cache + step; }
};

struct TokenizerInfo {
  std::string kind;
  int pieces = 0;
};

struct InfoReport {
  std::shared_ptr<const ModelFile> file;
  std::string name;  // as the file calls itself, may be empty
  bool drafter = false;
  std::optional<Config> config;  // none: tensors without a model (a safetensors file alone)
  std::vector<LayerKind> layers;
  Parameters parameters;
  std::vector<TypeCount> types;  // most bytes first
  std::optional<TokenizerInfo> tokenizer;
  std::optional<ChatFormat::Choice> chat;
  std::vector<MemoryNeed> memory;  // a context each; the last is the one that JSON gives
  int64_t available = 0;
  std::optional<std::vector<BadValues>> verified;
};

/** Stable keys: docs/files.md. */
json::value to_json(const InfoReport& report);
/** For people: a few tables, as wide as they are. */
std::string to_text(const InfoReport& report);

}  // namespace gemma::app
