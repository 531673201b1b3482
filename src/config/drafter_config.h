// SPDX-License-Identifier: Apache-2.0
// A drafter (multi-token prediction, spec section 13): a small stack without a cache of its own, which reads the
// target's.
#pragma once

#include <string_view>

#include "config/config.h"

namespace gemma {

/** general.architecture of a drafter's GGUF file. */
inline constexpr std::string_view kGgufDrafter = "gemma4-assistant";

struct DrafterConfig {
  Config stack;          // every kv_source is kTargetLayer; kv_heads and head_dim are the target's
  int target_dim = 0;    // width of the target's states
  bool ordered = false;  // logits of the tokens of the nearest centroids only
  int centroids = 0, top_centroids = 0;

  /** Fails with the key, expected and found; also when the file is not a drafter. */
  static DrafterConfig from(const ModelFile& file);
  static DrafterConfig from_json(std::string_view where, const json::value& config);

  /** Whether the stack fits the caches of `target`: fails with `where`, expected and found. */
  void check_target(std::string_view where, const Config& target) const;
  /** The layer of `target` whose cache layer `layer` of the stack reads. */
  int source_layer(int layer, const Config& target) const;
};

bool is_drafter(const ModelFile& file);

}  // namespace gemma
