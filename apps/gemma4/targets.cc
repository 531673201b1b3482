// SPDX-License-Identifier: Apache-2.0
#include "gemma4/targets.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

}  // namespace

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

void keep_model(const std::string& path, const ModelFile& model) {
  for (int i = 0; i < model.sources(); ++i) {
    if (same_file(path, model.source(i).name())) fail_usage(path, "is a file of the model; another name is needed");
  }
  std::error_code error;
  if (!model.folder().empty() && fs::is_directory(model.name(), error)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(model.folder(), error)) {
      if (same_file(path, entry.path().string())) fail_usage(path, "is a file of the model; another name is needed");
    }
  }
}

void check_writable(const std::string& path) {
  std::error_code error;
  const fs::file_status there = fs::status(path, error);
  if (fs::is_directory(there)) fail(path, "cannot write: expected a file, found a folder");
  const bool replaced = !fs::exists(there) || fs::is_regular_file(there);  // by a new file of its folder
  const fs::path folder = fs::path(path).parent_path();
  const std::string place = !replaced ? path : folder.empty() ? "." : folder.string();
  if (replaced && !fs::is_directory(place, error)) fail(path, "cannot create: {} is no folder", place);
  if (::access(place.c_str(), W_OK) != 0) fail(path, "cannot write: {}", std::strerror(errno));
}

}  // namespace gemma::app
