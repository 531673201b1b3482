// SPDX-License-Identifier: Apache-2.0
// The folder where models of a hub lie on this machine, laid out as the Python package huggingface_hub does it, so that
// both find what either has fetched:
//
//   models--OWNER--NAME/refs/main                 a commit
//   models--OWNER--NAME/snapshots/COMMIT/FILE     a link to
//   models--OWNER--NAME/blobs/HASH                SHA-256, of small files git's own hash
//   models--OWNER--NAME/blobs/HASH.incomplete     what is there of one that is being fetched
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub_name.h"

namespace gemma::hub {

/** A model that can be run. */
struct CachedModel {
  HubName name;
  std::string path;      // a GGUF, or the folder of a snapshot
  std::string encoders;  // beside a GGUF, where they were fetched, too
  int64_t bytes = 0;     // of its files, without the encoders
};

class HubCache {
 public:
  explicit HubCache(std::filesystem::path root) : root_(std::move(root)) {}
  /** HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. */
  static HubCache of_environment();

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path folder(const HubName& name) const;
  std::filesystem::path blob(const HubName& name, const std::string& hash) const;
  /** Held by whoever fetches it. */
  std::filesystem::path lock(const HubName& name, const std::string& hash) const;

  /** What the name means here; nullopt where nothing of it is. Fails where it means several models. */
  std::optional<CachedModel> find(const HubName& name) const;
  /** All that can be run, by name. */
  std::vector<CachedModel> list() const;

  /** The blob is called `file` in the commit's snapshot from now on. */
  void link(const HubName& name, const std::string& commit, const std::string& file, const std::string& hash) const;
  /** The name's revision is this commit. */
  void point(const HubName& name, const std::string& commit) const;
  /** Without a file the whole repository, else the files that it means; blobs that no snapshot has any more go, too.
   *  Returns the bytes that are free now; nullopt where nothing of it was here. */
  std::optional<int64_t> remove(const HubName& name) const;

 private:
  std::optional<std::filesystem::path> snapshot(const HubName& name) const;
  int64_t remove_files(const HubName& name) const;
  std::filesystem::path root_;
};

}  // namespace gemma::hub
