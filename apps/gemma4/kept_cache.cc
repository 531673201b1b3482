// SPDX-License-Identifier: Apache-2.0
#include "gemma4/kept_cache.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "cpu/kernels/select.h"
#include "file/model_fingerprint.h"
#include "gemma4/checks.h"

namespace gemma::app {

void add_kept_cache_options(CLI::App& command, KeptCacheOptions& options) {
  CLI::Option* folder =
      command
          .add_option(
              "--cache-dir", options.folder,
              "Keep the keys and values of prompts here over restarts; what was asked can be told from them, so the "
              "files are for you alone")
          ->check(not_empty())
          ->type_name("DIR");
  command.add_option("--cache-dir-limit", options.limit, "Room for them; those used longest ago go")
      ->capture_default_str()
      ->check(sizes(std::numeric_limits<int64_t>::max()))
      ->type_name("SIZE")
      ->needs(folder);
}

std::shared_ptr<CacheFolder> open_cache_folder(const KeptCacheOptions& options, CacheFolder::Note note) {
  if (options.folder.empty()) return nullptr;
  auto folder = CacheFolder::open(options.folder, *parse_bytes(options.limit), std::move(note));
  if (folder != nullptr) use_hash_key(folder->secret());
  return folder;
}

Fingerprint cache_origin(const ModelFiles& files) {
  const auto& audio = files.media.encoders.audio;  // what it hears of the same sound depends on its window
  return Fingerprint::of(fmt::format("{} {} {} {} {}", fingerprint_of_file("/proc/self/exe").hex(), cpu::kernels().name,
                                     fingerprint_of(*files.model).hex(), fingerprint_of(*files.encoders).hex(),
                                     audio ? audio->window : 0));
}

}  // namespace gemma::app
