// SPDX-License-Identifier: Apache-2.0
// How much of the memory there is goes to keys and values, and how long a context that makes.
#pragma once

#include <cstdint>

#include "config/media_config.h"
#include "engine/engine.h"

namespace gemma {

/** Logits are asked for in blocks of so many rows, a megabyte each at 262 144 ids. */
int logit_rows(const EngineOptions& options);

/** What the activations of one step take at most: f32 rows of the widest things that live at once (residuals, queries,
 *  both halves of the MLP, logits). */
int64_t activation_bytes(const Config& config, const EngineOptions& options);

/** What the encoders of a model take at most for one picture of options.picture_tokens soft tokens, or for the longest
 *  clip that a tower hears: f32 rows, as of a step, with which they share their memory. */
int64_t encoding_bytes(const MediaConfig& encoders, const EngineOptions& options);

/** A step, or what `encoders` (null: none) work with, whichever is more, and the soft tokens that are kept. */
int64_t working_bytes(const Config& config, const EngineOptions& options, const MediaConfig* encoders);

/** What keys, values and a step take for options.context tokens, or for a context of usual length where that is 0: what
 *  weights that may stay in their file leave free. */
int64_t usual_bytes(const Config& config, const EngineOptions& options);

struct MemoryPlan {
  int context = 0;
  int batch_tokens = 0;  // options.batch_tokens, or fewer where their activations would not fit
  int64_t kv_bytes = 0;  // the cache's byte limit
};

/** available: bytes the process may still take (base/memory.h), weights being loaded. A reserve of it stays for the
 *  activations of a step or of encoders, whichever are more, and for the soft tokens that are kept. Fails, with needed
 * and found, when options.context does not fit, or not even a short one. */
MemoryPlan plan_memory(const Config& config, const EngineOptions& options, int64_t available);

}  // namespace gemma
