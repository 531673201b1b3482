// SPDX-License-Identifier: Apache-2.0
#include "hub/partial_blob.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.h"

namespace gemma::hub {
namespace {

namespace fs = std::filesystem;

int opened(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) fail(path.parent_path().string(), "cannot make this folder: {}", error.message());
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) fail(path.string(), "cannot open: {}", std::strerror(errno));
  return fd;
}

}  // namespace

PartialBlob::PartialBlob(fs::path blob, const fs::path& lock)
    : blob_(std::move(blob)), path_(blob_.string() + ".incomplete") {
  lock_ = opened(lock);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    fail(path_.string(), "another program is fetching it");
  }
  fd_ = opened(path_);
  struct stat found{};
  if (::fstat(fd_, &found) == 0) size_ = found.st_size;
}

PartialBlob::~PartialBlob() {
  ::close(fd_);
  ::close(lock_);
}

bool PartialBlob::write(int64_t begin, std::span<const std::byte> bytes) {
  if (begin != size_) {
    if (begin > size_ || ::ftruncate(fd_, begin) != 0) {
      error_ = "its bytes do not come in order";
      return false;
    }
    size_ = begin;
  }
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), size_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      error_ = std::strerror(errno);
      return false;
    }
    size_ += written;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

void PartialBlob::commit() {
  if (::fsync(fd_) != 0) fail(path(), "cannot write: {}", std::strerror(errno));
  std::error_code error;
  fs::rename(path_, blob_, error);
  if (error) fail(blob_.string(), "cannot give it this name: {}", error.message());
}

void PartialBlob::discard() {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

}  // namespace gemma::hub
