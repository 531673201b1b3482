// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over the files of its corpus, once each and in the order of their names, with any compiler.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "fuzz/fuzz.h"

namespace {

std::vector<std::string> files_under(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path.string()};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  int runs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const std::string& path : files_under(argv[i])) {
      fmt::print(stderr, "{}\n", path);  // before the run: the last line names the file of a crash
      const std::string bytes = gemma::read_file(path);
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
      ++runs;
    }
  }
  fmt::print("{} inputs\n", runs);
  return runs > 0 ? 0 : 1;  // a corpus that is not there is no proof
}
