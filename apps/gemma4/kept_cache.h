// SPDX-License-Identifier: Apache-2.0
// --cache-dir: prompts that were read are found again by the next process (docs/cache.md).
#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

#include "base/fingerprint.h"
#include "gemma4/session.h"
#include "kv/cache_folder.h"

namespace gemma::app {

struct KeptCacheOptions {
  std::string folder, limit = "4GiB";
};
void add_kept_cache_options(CLI::App& command, KeptCacheOptions& options);

/** Null: none is wanted, or another process has it, which is said. note: told such things, on any thread. Before
 * anything is hashed: from here on this process hashes by the folder's secret. */
std::shared_ptr<CacheFolder> open_cache_folder(const KeptCacheOptions& options, CacheFolder::Note note);

/** KvOptions::origin: the weights, the kernels in use, and this program to the byte. */
Fingerprint cache_origin(const ModelFiles& files);

}  // namespace gemma::app
