// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <system_error>

#include "base/file.h"

namespace gemma::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "models--", kBetween = "--";
constexpr int64_t kMostRef = 256;  // bytes of a file that names a commit

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/** Names of the files of a snapshot, of which there are blobs. */
std::vector<std::string> files_in(const fs::path& snapshot) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator each(snapshot, error), end; !error && each != end; each.increment(error)) {
    if (each->is_regular_file(error)) files.push_back(each->path().lexically_relative(snapshot).string());
  }
  std::ranges::sort(files);
  return files;
}

int64_t bytes_of(const fs::path& snapshot, const std::vector<std::string>& files) {
  int64_t bytes = 0;
  std::error_code error;
  for (const std::string& file : files) {
    const auto size = fs::file_size(snapshot / file, error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

/** "models--OWNER--NAME". */
std::optional<HubName> name_of_folder(const std::string& folder) {
  if (!folder.starts_with(kPrefix)) return std::nullopt;
  const std::string rest = folder.substr(kPrefix.size());
  const size_t between = rest.find(kBetween);
  if (between == std::string::npos) return std::nullopt;
  return parse_hub_name(rest.substr(0, between) + "/" + rest.substr(between + kBetween.size()));
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(path.string(), "cannot make this folder: {}", error.message());
}

}  // namespace

HubCache HubCache::of_environment() {
  if (const std::string cache = variable("HF_HUB_CACHE"); !cache.empty()) return HubCache(cache);
  if (const std::string home = variable("HF_HOME"); !home.empty()) return HubCache(fs::path(home) / "hub");
  fs::path base = variable("XDG_CACHE_HOME");
  if (base.empty()) base = fs::path(variable("HOME")) / ".cache";
  return HubCache(base / "huggingface" / "hub");
}

fs::path HubCache::folder(const HubName& name) const {
  return root_ / (std::string(kPrefix) + name.owner + std::string(kBetween) + name.name);
}

fs::path HubCache::blob(const HubName& name, const std::string& hash) const { return folder(name) / "blobs" / hash; }

fs::path HubCache::lock(const HubName& name, const std::string& hash) const {
  return root_ / ".locks" / folder(name).filename() / (hash + ".lock");
}

std::optional<fs::path> HubCache::snapshot(const HubName& name) const {
  std::error_code error;
  const fs::path snapshots = folder(name) / "snapshots", reference = folder(name) / "refs" / name.revision;
  if (fs::is_directory(snapshots / name.revision, error)) return snapshots / name.revision;
  if (!fs::is_regular_file(reference, error)) return std::nullopt;
  std::string commit = read_file(reference.string(), kMostRef);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r')) commit.pop_back();
  if (!is_file_name(commit) || !fs::is_directory(snapshots / commit, error)) return std::nullopt;
  return snapshots / commit;
}

std::optional<CachedModel> HubCache::find(const HubName& name) const {
  const std::optional<fs::path> here = snapshot(name);
  const std::vector<std::string> all = here ? files_in(*here) : std::vector<std::string>();
  if (all.empty()) return std::nullopt;
  const Result<std::vector<std::string>> files = files_of(name, all);
  if (!files) {
    if (!name.file.empty()) return std::nullopt;  // another of its files is here
    fail_message("", files.failure().message());
  }
  CachedModel model{name, here->string(), "", bytes_of(*here, files.value())};
  if (is_folder(files.value())) return model;
  model.path = (*here / files.value()[0]).string();
  const std::string encoders = encoders_of(all);
  if (!encoders.empty()) model.encoders = (*here / encoders).string();
  return model;
}

std::vector<CachedModel> HubCache::list() const {
  std::vector<CachedModel> models;
  std::error_code error;
  for (fs::directory_iterator each(root_, error), end; !error && each != end; each.increment(error)) {
    std::optional<HubName> name = name_of_folder(each->path().filename().string());
    const std::optional<fs::path> here = name ? snapshot(*name) : std::nullopt;
    if (!here) continue;
    const std::vector<std::string> all = files_in(*here);
    if (files_of(*name, all)) {
      models.push_back(*find(*name));
      continue;
    }
    for (const std::string& file : all) {
      name->file = file;
      if (!file.ends_with(".gguf") || !encoders_of({file}).empty()) continue;
      const auto parts = files_of(*name, all);
      if (parts && parts.value()[0] == file) models.push_back(*find(*name));
    }
  }
  std::ranges::sort(models, {}, [](const CachedModel& model) { return model.name.text(); });
  return models;
}

void HubCache::link(const HubName& name, const std::string& commit, const std::string& file,
                    const std::string& hash) const {
  const fs::path place = folder(name) / "snapshots" / commit / file;
  make_folder(place.parent_path());
  std::error_code error;
  const fs::path target = blob(name, hash).lexically_relative(place.parent_path());
  if (fs::read_symlink(place, error) == target) return;
  const std::string partial = partial_name(place.string());
  fs::create_symlink(target, partial, error);
  if (!error) fs::rename(partial, place, error);
  if (error) fail(place.string(), "cannot make this link: {}", error.message());
}

void HubCache::point(const HubName& name, const std::string& commit) const {
  if (name.revision == commit) return;
  const fs::path reference = folder(name) / "refs" / name.revision;
  make_folder(reference.parent_path());
  AtomicFile file(reference.string());
  file.write(commit);
  file.commit();
}

std::optional<int64_t> HubCache::remove(const HubName& name) const {
  std::error_code error;
  if (!name.file.empty()) {
    const std::optional<CachedModel> found = find(name);
    return found ? std::optional(remove_files(name)) : std::nullopt;
  }
  if (!fs::is_directory(folder(name), error)) return std::nullopt;
  int64_t bytes = 0;
  for (fs::directory_iterator each(folder(name) / "blobs", error), end; !error && each != end; each.increment(error)) {
    bytes += static_cast<int64_t>(each->file_size(error));
  }
  fs::remove_all(folder(name), error);
  if (error) fail(folder(name).string(), "cannot remove it: {}", error.message());
  return bytes;
}

int64_t HubCache::remove_files(const HubName& name) const {
  const fs::path here = *snapshot(name);
  std::error_code error;
  std::set<fs::path> blobs, kept;
  const std::vector<std::string> files = files_of(name, files_in(here)).value();
  for (const std::string& file : files) {
    blobs.insert(fs::weakly_canonical(here / file, error));
    fs::remove(here / file, error);
    if (error) fail((here / file).string(), "cannot remove it: {}", error.message());
  }
  for (fs::recursive_directory_iterator each(folder(name) / "snapshots", error), end; !error && each != end;
       each.increment(error)) {
    if (each->is_regular_file(error)) kept.insert(fs::weakly_canonical(each->path(), error));
  }
  int64_t bytes = 0;
  for (const fs::path& blob : blobs) {
    if (kept.count(blob) > 0 || blob.parent_path().filename() != "blobs") continue;  // whatever else a link led to
    const auto size = fs::file_size(blob, error);
    if (fs::remove(blob, error)) bytes += static_cast<int64_t>(size);
  }
  if (kept.empty()) fs::remove_all(folder(name), error);
  return bytes;
}

}  // namespace gemma::hub
