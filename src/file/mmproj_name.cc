// SPDX-License-Identifier: Apache-2.0
#include "file/mmproj_name.h"

#include <filesystem>
#include <vector>

namespace gemma {

namespace fs = std::filesystem;

std::string mmproj_name_of(const std::string& gguf) {
  const fs::path path(gguf);
  return (path.parent_path() / ("mmproj-" + path.filename().string())).string();
}

bool is_mmproj_name(std::string_view name) { return name.starts_with("mmproj") && name.ends_with(".gguf"); }

std::string find_mmproj(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    const std::string beside = mmproj_name_of(path);
    return path.ends_with(".gguf") && fs::exists(beside, error) ? beside : "";
  }
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (is_mmproj_name(entry.path().filename().string())) found.push_back(entry.path().string());
  }
  return found.size() == 1 ? found.front() : "";
}

}  // namespace gemma
