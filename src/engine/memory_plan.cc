// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <algorithm>

#include "base/memory.h"

namespace gemma {
namespace {

constexpr int kLeastContext = 256;     // tokens; a shorter one is of no use to anybody
constexpr int kUnknownContext = 8192;  // of a model that does not say

}  // namespace

int64_t activation_bytes(const Config& config, const EngineOptions& options) {
  int64_t widest = 0;
  for (const LayerConfig& layer : config.layers) {
    const int64_t attention = int64_t{3} * layer.heads * layer.head_dim, mlp = int64_t{4} * layer.mlp_width;
    widest = std::max(widest, std::max(attention, mlp));
  }
  const int64_t per_layer = int64_t{3} * static_cast<int64_t>(config.layers.size()) * config.per_layer_dim;
  const int64_t logits = int64_t{2} * logit_rows(options) * config.vocab;
  return 4 * (int64_t{options.batch_tokens} * (int64_t{6} * config.dim + widest + per_layer) + logits);
}

int logit_rows(const EngineOptions& options) {
  const bool guesses = options.speculation.length != 0;
  return std::clamp(options.max_sequences * (guesses ? 1 + Speculation::kMost : 1), 4, 16);
}

MemoryPlan plan_memory(const Config& config, const EngineOptions& options, int64_t available) {
  const int most = config.context > 0 ? config.context : kUnknownContext;
  if (options.context > most) {
    fail("context", "expected at most {} tokens (what the model was made for), found {}", most, options.context);
  }
  const int64_t step = activation_bytes(config, options);
  const int64_t free = std::max<int64_t>(0, available - step);
  const int64_t limit = options.kv.byte_limit > 0 ? std::min(options.kv.byte_limit, free) : free;
  const auto needed = [&](int context) {
    return KvCache::bytes_for(config, options.kv, context, options.batch_tokens);
  };
  int context = options.context > 0 ? options.context : most;
  const int least = options.context > 0 ? options.context : std::min(kLeastContext, most);
  if (needed(least) > limit) {
    fail("context", "{} tokens need {} for keys and values, found {} ({} available, less {} for a step{})", least,
         format_bytes(needed(least)), format_bytes(limit), format_bytes(available), format_bytes(step),
         limit < free ? "; the cache's limit keeps back the rest" : "");
  }
  if (needed(context) > limit) {  // the longest that fits
    int fits = least;
    while (context - fits > 1) {
      const int middle = fits + (context - fits) / 2;
      (needed(middle) <= limit ? fits : context) = middle;
    }
    context = fits;
  }
  return {context, limit};
}

}  // namespace gemma
