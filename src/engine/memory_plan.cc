// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <algorithm>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "model/vision.h"

namespace gemma {
namespace {

constexpr int kLeastContext = 256;     // tokens; a shorter one is of no use to anybody
constexpr int kUsualContext = 4096;    // shorter steps are a small price for so much
constexpr int kUnknownContext = 8192;  // of a model that does not say
constexpr int kLeastRows = 32;         // of a step
// Scratch of threads, copies of logits, and the like, which do not grow with anything.
constexpr int64_t kSmallThings = 16'000'000;
// Of each thread: rows that are widened for products (cpu/products.cc), of which the towers' are the longest.
constexpr int64_t kWidenedRows = 192 * 4096 * 4;
constexpr int64_t kClipFrames = 3000;  // of mel features, the longest clip that a tower hears

int longest_context(const Config& config) { return config.context > 0 ? config.context : kUnknownContext; }

int usual_context(const Config& config, const EngineOptions& options) {
  return options.context > 0 ? options.context : std::min(kUsualContext, longest_context(config));
}

int64_t patches_of(const VisionConfig& c, int64_t soft_tokens) { return soft_tokens * c.pool * c.pool; }

/** Of all patches queries, keys and values, and both of these again as attention has them; or queries, keys and values,
 * and of those of a slice both halves of an MLP and their product; or pixels. */
int64_t picture_bytes(const VisionConfig& c, int64_t soft_tokens) {
  const int64_t patches = patches_of(c, soft_tokens), heads = int64_t{c.heads} * c.head_dim;
  const int64_t slice = VisionEncoding::rows_within(c, patches, VisionEncoding::kSlice);
  const int64_t keys = slice < patches ? patches * 3 * heads : 0;
  const int64_t attention = patches * 5 * heads, pixels = patches * 9 * c.patch * c.patch;
  return 4 * (patches * 2 * c.dim + std::max({attention, keys + slice * (c.dim + int64_t{4} * c.mlp_width), pixels}));
}

/** Between slices of a layer: what goes into it, queries, keys and values. */
int64_t waiting_bytes(const VisionConfig& c, int64_t soft_tokens) {
  return 4 * patches_of(c, soft_tokens) * (c.dim + int64_t{3} * c.heads * c.head_dim);
}

/** The first convolution's result and what it becomes; or, of a quarter of the frames, both halves of what is widest.
 */
int64_t clip_bytes(const AudioConfig& c) {
  const int64_t wide = kClipFrames / 2 * (c.mel_bins / 2) * c.channels[0];
  return 4 * (int64_t{2} * wide + kClipFrames / 4 * int64_t{12} * c.dim);
}

/** Of an engine with the encoders that it has, and room for those that may come. */
int64_t working_bytes(const Config& config, const EngineOptions& options) {
  const MediaConfig* encoders = options.encoders != nullptr ? &options.encoders->config : nullptr;
  return working_bytes(config, options, encoders) + options.kept_free;
}

}  // namespace

int64_t working_bytes(const Config& config, const EngineOptions& options, const MediaConfig* encoders) {
  const int64_t step = activation_bytes(config, options);
  if (encoders == nullptr) return step;
  const int64_t waiting = encoders->vision ? waiting_bytes(*encoders->vision, options.picture_tokens) : 0;
  return std::max(step + waiting, encoding_bytes(*encoders, options)) + options.encoded_bytes;
}

int64_t encoding_bytes(const MediaConfig& encoders, const EngineOptions& options) {
  int64_t most = 0;
  if (encoders.vision) most = picture_bytes(*encoders.vision, options.picture_tokens);
  if (encoders.audio) most = std::max(most, clip_bytes(*encoders.audio));
  if (const auto& blocks = encoders.pixel_blocks) {
    const int64_t pixels = int64_t{3} * blocks->side * blocks->side;
    most = std::max(most, 4 * options.picture_tokens * (int64_t{3} * pixels + int64_t{4} * blocks->dim));
  }
  return most + physical_cores() * kWidenedRows + kSmallThings;
}

int64_t activation_bytes(const Config& config, const EngineOptions& options) {
  int64_t widest = 0;
  for (const LayerConfig& layer : config.layers) {
    const int64_t attention = int64_t{3} * layer.heads * layer.head_dim, mlp = int64_t{4} * layer.mlp_width;
    widest = std::max(widest, std::max(attention, mlp));
  }
  const int64_t per_layer = int64_t{3} * static_cast<int64_t>(config.layers.size()) * config.per_layer_dim;
  const int64_t logits = int64_t{2} * logit_rows(options) * config.vocab;
  return 4 * (int64_t{options.batch_tokens} * (int64_t{6} * config.dim + widest + per_layer) + logits) + kSmallThings;
}

int logit_rows(const EngineOptions& options) {
  const bool guesses = options.speculation.length != 0;
  return std::clamp(options.max_sequences * (guesses ? 1 + Speculation::kMost : 1), 4, 16);
}

int64_t usual_bytes(const Config& config, const EngineOptions& options) {
  return working_bytes(config, options) +
         KvCache::bytes_for(config, options.kv, usual_context(config, options), options.batch_tokens);
}

MemoryPlan plan_memory(const Config& config, const EngineOptions& options, int64_t available) {
  const int most = longest_context(config);
  if (options.context > most) {
    fail("context", "expected at most {} tokens (what the model was made for), found {}", most, options.context);
  }
  EngineOptions fitting = options;
  int64_t step = 0, free = 0, limit = 0;
  const auto needed = [&](int context) {
    return KvCache::bytes_for(config, options.kv, context, fitting.batch_tokens);
  };
  const auto has_room = [&](int tokens) {
    step = working_bytes(config, fitting);
    free = std::max<int64_t>(0, available - step);
    limit = options.kv.byte_limit > 0 ? std::min(options.kv.byte_limit, free) : free;
    return needed(tokens) <= limit;
  };
  int context = options.context > 0 ? options.context : most;
  const int least = options.context > 0 ? options.context : std::min(kLeastContext, most);
  // Shorter steps are slower at prompts, take less, and give the same results.
  const int usual = usual_context(config, options);
  while (!has_room(usual) && fitting.batch_tokens / 2 >= std::max(kLeastRows, options.max_sequences)) {
    fitting.batch_tokens /= 2;
  }
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
  return {context, fitting.batch_tokens, limit};
}

}  // namespace gemma
