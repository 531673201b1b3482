// SPDX-License-Identifier: Apache-2.0
#include "gemma4/targets.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"

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
  if (fs::exists(there) && !fs::is_regular_file(there)) {  // what is written takes the place of what is there
    fail(path, "cannot replace: expected a regular file or a new name, found a device or pipe");
  }
  const fs::path folder = fs::path(path).parent_path();
  const std::string place = folder.empty() ? "." : folder.string();
  if (!fs::is_directory(place, error)) fail(path, "cannot create: {} is no folder", place);
  if (::access(place.c_str(), W_OK) != 0) fail(path, "cannot write: {}", std::strerror(errno));
}

Targets::Targets(std::string option, std::string place, const std::vector<std::string>& files)
    : option_(std::move(option)), place_(std::move(place)) {
  for (const std::string& file : files) paths_[file] = place_;
}

Targets::Targets(std::string option, std::string place, const std::vector<std::string>& files,
                 const std::string& ending)
    : option_(std::move(option)), place_(std::move(place)) {
  std::error_code error;
  const bool folder = place_.ends_with('/') || fs::is_directory(place_, error);
  const std::string pattern = folder ? (fs::path(place_) / ("*" + ending)).string() : place_;
  const size_t name = pattern.rfind('/') == std::string::npos ? 0 : pattern.rfind('/') + 1;
  const size_t star = pattern.find('*', name);
  if (star == std::string::npos && files.size() > 1) {
    fail_usage(option_, "expected a folder ('out/') or a pattern ('out/*{}') for {} files, found '{}'", ending,
               files.size(), place_);
  }
  std::map<std::string, std::string> taken;  // whose each is
  for (const std::string& file : files) {
    const std::string stem = file == "-" ? "stdin" : fs::path(file).stem().string();
    std::string path = pattern;
    if (star != std::string::npos) path.replace(star, 1, stem);
    const auto [other, is_new] = taken.emplace(path, file);
    if (!is_new) fail_usage(option_, "{} and {} would both be written to {}", other->second, file, path);
    paths_[file] = std::move(path);
  }
}

void Targets::keep_apart(const Targets& others) const {
  const auto place_of = [](const std::string& target) {
    std::error_code error;
    return fs::weakly_canonical(fs::absolute(target, error), error);
  };
  std::set<fs::path> taken;
  for (const auto& [source, target] : others.paths_) taken.insert(place_of(target));
  for (const auto& [source, target] : paths_) {
    if (taken.contains(place_of(target))) {
      fail_usage(option_, "{} is what {} writes; another name is needed", target, others.option_);
    }
  }
}

void Targets::prepare(const ModelFiles& model) const {
  std::error_code error;
  std::set<fs::path> sources;
  for (const auto& [source, target] : paths_) sources.insert(fs::weakly_canonical(source, error));
  for (const auto& [source, target] : paths_) {
    if (fs::exists(target, error) && sources.contains(fs::weakly_canonical(target, error))) {
      fail_usage(option_, "{} is a file that is read; another name is needed", target);
    }
    keep_model(target, *model.model);
    if (model.encoders != nullptr) keep_model(target, *model.encoders);
  }
  for (const auto& [source, target] : paths_) {
    const fs::path folder = fs::path(target).parent_path();
    if (!folder.empty() && target != place_) fs::create_directories(folder, error);
    if (error) fail(folder.string(), "cannot create: {}", error.message());
    check_writable(target);
  }
}

void write_text(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace gemma::app
