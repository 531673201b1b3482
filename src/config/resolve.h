// SPDX-License-Identifier: Apache-2.0
// What both readers of configs share: limits, families, defaults, RoPE's frequencies, KV sharing, the final check.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/media_config.h"

namespace gemma::resolve {

// Far above any model; a number beyond is a damaged file, and products of two stay below 2^62.
inline constexpr int64_t kMaxLayers = 1024, kMaxWidth = 1 << 20, kMaxVocab = 1 << 24, kMaxHeads = 1 << 12;
inline constexpr int64_t kMaxHeadDim = 1 << 13, kMaxTokens = 1 << 30, kMaxExperts = 1 << 14;
inline constexpr int64_t kMaxPixels = 1 << 10;  // of a side of a patch; patches of a side of a soft token
inline constexpr double kMinEps = 1e-30, kMaxEps = 1.0, kMinTheta = 1e-3, kMaxTheta = 1e30, kMaxScale = 1e6;

/** Every `period`-th layer is global: 5:1 where no key says otherwise. */
inline constexpr int kDefaultPattern = 6;

/** Refuses an architecture by its name, and says what is read. */
[[noreturn]] void refuse_architecture(std::string_view where, std::string_view name);

/** theta^(-2i / head_dim) / factor for pairs i < rotated, 0 for the rest, in the reference's own f32 steps: at
 *  positions of several thousand the last bit of a frequency shows in the logits (spec section 3). */
Rope rope(int head_dim, int rotated, double theta, double factor);

/** The last `shared` layers read the cache of the last earlier layer of their kind that has one. */
void share_caches(Config& config, int shared, std::string_view where);

/** Drops stop and suppressed ids that the vocabulary does not have; sorts nothing. */
void drop_foreign_ids(Config& config);

/** What no single key can show: heads against kv_heads, sizes of a shared cache, top_k against experts. Fails with the
 *  layer, expected and found. */
void check(const Config& config, std::string_view where);

Config from_gguf(const ModelFile& file);
/** Of an mmproj file; nothing of any other. */
MediaConfig media_from_gguf(const ModelFile& file);

// For drafters, whose stack is a text config all of whose layers share a cache.
/** "gemma4", "gemma4_assistant", ... of a config.json. */
std::string family_of_json(std::string_view where, const json::value& config);
/** text_config without sharing and stop ids. */
Config text_from_json(std::string_view where, const json::value& config, std::string_view family);
/** The stack of a GGUF drafter in the same state. `arch`: "gemma4-assistant". */
Config text_from_gguf(const ModelFile& file, std::string_view arch);

}  // namespace gemma::resolve
