// SPDX-License-Identifier: Apache-2.0
#include "kv/cache_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace gemma {
namespace fs = std::filesystem;
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

bool is_hex(const std::string& name) {
  return name.size() == Fingerprint{}.hex().size() && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) fs::permissions(path, fs::perms::owner_all, error);
  if (error) fail(path, "cannot be a folder for the cache: {}", error.message());
}

}  // namespace

std::shared_ptr<CacheFolder> CacheFolder::open(const std::string& path, int64_t limit, Note note) {
  std::error_code error;
  if (!fs::is_directory(path, error)) make_folder(path);
  const std::string name = path + "/lock";
  const int lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly);
  if (lock < 0) fail(path, "cannot keep the cache here: {}", std::strerror(errno));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    note(path + ": another process keeps its cache there: this one keeps none on disk");
    return nullptr;
  }
  return std::shared_ptr<CacheFolder>(new CacheFolder(path, lock, limit, std::move(note)));
}

CacheFolder::CacheFolder(std::string path, int lock, int64_t limit, Note note)
    : path_(std::move(path)), lock_(lock), limit_(limit), note_(std::move(note)), content_(content_of(path_)) {}

CacheFolder::~CacheFolder() { ::close(lock_); }

CacheFolder::Content CacheFolder::content_of(const std::string& path) {
  Content content;
  std::error_code error;
  for (const fs::directory_entry& folder : fs::directory_iterator(path, error)) {
    const std::string name = folder.path().filename().string();
    if (!is_hex(name) || !folder.is_directory(error)) continue;
    Kept& kept = content.kept[name];
    for (const fs::directory_entry& file : fs::directory_iterator(folder.path(), error)) {
      const uintmax_t size = file.file_size(error);
      if (!error) kept.bytes += static_cast<int64_t>(size);
    }
    const auto written = fs::last_write_time(folder.path(), error);
    if (!error) kept.written = written.time_since_epoch().count();
    content.bytes += kept.bytes;
  }
  return content;
}

HashKey CacheFolder::secret() {
  const std::string path = path_ + "/secret";
  HashKey key{};
  std::error_code error;
  if (fs::file_size(path, error) == sizeof key && !error) {
    const File file = File::open(path);
    file.read(0, std::as_writable_bytes(std::span(key)));
    return key;
  }
  key = process_hash_key();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(key)));
  file.commit();
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, error);
  return key;
}

std::string CacheFolder::take(const Fingerprint& fingerprint) {
  const bool free =
      content_.with([&](Content& content) { return !std::exchange(content.kept[fingerprint.hex()].taken, true); });
  if (!free) {
    say("this model is served twice: one of them keeps no cache on disk");
    return "";
  }
  const std::string folder = path_ + "/" + fingerprint.hex();
  make_folder(folder);
  return folder;
}

void CacheFolder::release(const Fingerprint& fingerprint, int64_t bytes) {
  const int64_t now = fs::file_time_type::clock::now().time_since_epoch().count();
  content_.with([&](Content& content) { content.kept[fingerprint.hex()] = {bytes, now, false}; });
}

bool CacheFolder::reserve(int64_t bytes) {
  return content_.with([&](Content& content) {
    while (content.bytes + bytes > limit_) {
      auto oldest = content.kept.end();
      for (auto each = content.kept.begin(); each != content.kept.end(); ++each) {
        if (each->second.taken) continue;
        if (oldest == content.kept.end() || each->second.written < oldest->second.written) oldest = each;
      }
      if (oldest == content.kept.end()) return false;
      std::error_code error;
      fs::remove_all(fs::path(path_) / oldest->first, error);
      content.bytes -= oldest->second.bytes;
      content.kept.erase(oldest);
    }
    content.bytes += bytes;
    return true;
  });
}

void CacheFolder::give_back(int64_t bytes) {
  content_.with([bytes](Content& content) { content.bytes -= bytes; });
}

int64_t CacheFolder::bytes() const {
  return content_.with([](const Content& content) { return content.bytes; });
}

}  // namespace gemma
