// SPDX-License-Identifier: Apache-2.0
#include "gemma4/local_model.h"

#include <filesystem>
#include <optional>
#include <system_error>

#include "base/error.h"
#include "hub/hub_cache.h"

namespace gemma::app {

bool is_hub_name(const std::string& word) {
  std::error_code error;
  const std::optional<hub::HubName> name = hub::parse_hub_name(word);
  if (!name || std::filesystem::exists(word, error)) return false;
  return !name->file.empty() || !name->name.ends_with(".gguf");  // folder/model.gguf is a path
}

LocalModel local_model(const std::string& word) {
  if (!is_hub_name(word)) return {word, ""};
  const std::optional<hub::CachedModel> found = hub::HubCache::of_environment().find(*hub::parse_hub_name(word));
  if (!found) fail(word, "no such file or folder, nor was a model of this name pulled (gemma4 pull {})", word);
  return {found->path, found->encoders};
}

}  // namespace gemma::app
