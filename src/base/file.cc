// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"

namespace gemma {
namespace {

[[noreturn]] void fail_system(const std::string& path, std::string_view action) {
  const int error = errno;
  fail(path, "cannot {}: {}", action, std::strerror(error));
}

void write_all(int fd, const std::string& path, int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(path, "write");
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += n;
  }
}

int64_t written_at(const struct stat& status) {
  return int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

/** What is there and no regular file. */
std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "folder";
  return S_ISFIFO(mode) ? "pipe" : S_ISSOCK(mode) ? "socket" : "device";
}

/** The file that is to be replaced where `path` is a link to it: a link stays a link. */
std::string replaceable(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return path;
  if (!S_ISREG(status.st_mode)) {
    fail(path, "cannot replace: expected a regular file or a new name, found a {}", kind_of(status.st_mode));
  }
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

File File::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // so that a FIFO without a writer is refused
  if (fd < 0) fail_system(path, "open");
  return adopt(fd, path);
}

File File::adopt(int descriptor, std::string name) {
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    fail(name, "cannot read: expected a regular file, found a {}", kind_of(status.st_mode));
  }
  return File(std::move(name), descriptor, status.st_size, written_at(status));
}

File::File(std::string path, int fd, int64_t size, int64_t written)
    : path_(std::move(path)), fd_(fd), size_(size), written_(written) {}
File::File(File&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_), written_(other.written_) {}
File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(written_, other.written_);
  return *this;
}
File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

void File::read(int64_t offset, std::span<std::byte> out) const {
  if (offset < 0 || offset > size_ || static_cast<int64_t>(out.size()) > size_ - offset) {
    fail(path_, "cannot read {} bytes at byte {}: file ends after {}", out.size(), offset, size_);
  }
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(path_, "read");
    if (n == 0) break;  // the check below says why
    out = out.subspan(static_cast<size_t>(n));
    offset += n;
  }
  check_unchanged();
  if (!out.empty()) fail(path_, "cannot read {} bytes at byte {}: the disk gives no more", out.size(), offset);
}

void File::will_read(int64_t offset, int64_t bytes) const {
  ::posix_fadvise(fd_, offset, bytes, POSIX_FADV_WILLNEED);  // a wish: refused, nothing is lost
}

void File::check_unchanged() const {
  struct stat status = {};
  if (::fstat(fd_, &status) != 0) fail_system(path_, "look at the file");
  if (status.st_size != size_) {
    fail(path_, "the file changed while it was open: expected {} bytes, found {}", size_, int64_t{status.st_size});
  }
  if (written_at(status) != written_) fail(path_, "the file changed while it was open: it was written to");
}

std::string read_file(const std::string& path, int64_t limit) {
  const File file = File::open(path);
  if (file.size() > limit) fail(path, "file has {} bytes, expected at most {}", file.size(), limit);
  std::string text(static_cast<size_t>(file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string partial_name(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr std::string_view kSuffix = ".partial";
  const std::string start = fs::path(path).filename().string() + ".";
  std::error_code error;
  std::vector<fs::path> stale;
  for (fs::directory_iterator it(folder_of(path), error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(start) || !name.ends_with(kSuffix) || name.size() <= start.size() + kSuffix.size()) continue;
    const char* last = name.data() + name.size() - kSuffix.size();
    pid_t process = 0;
    const auto [stop, wrong] = std::from_chars(name.data() + start.size(), last, process);
    if (wrong != std::errc() || stop != last || process <= 0) continue;
    if (::kill(process, 0) != 0 && errno == ESRCH) stale.push_back(it->path());
  }
  for (const fs::path& left : stale) fs::remove_all(left, error);
  return fmt::format("{}.{}{}", path, ::getpid(), kSuffix);
}

AtomicFile::AtomicFile(const std::string& path) : path_(replaceable(path)), temporary_(partial_name(path_)) {
  fd_ = ::open(folder_of(path_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd_ >= 0) return;
  fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_system(path_, "create");
  named_ = true;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (named_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(end_, bytes);
  end_ += static_cast<int64_t>(bytes.size());
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::write_at(int64_t offset, std::span<const std::byte> bytes) { write_all(fd_, path_, offset, bytes); }

void AtomicFile::reserve(int64_t bytes) {
  const int error = ::posix_fallocate(fd_, 0, bytes);
  if (error != 0 && error != EOPNOTSUPP && error != EINVAL) {
    fail(path_, "cannot reserve {} bytes on disk: {}", bytes, std::strerror(error));
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_system(path_, "write");
  if (!named_) {  // a link cannot replace a file that is there, a rename can
    ::unlink(temporary_.c_str());
    const std::string self = fmt::format("/proc/self/fd/{}", fd_);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      fail_system(path_, "name the finished file");
    }
    named_ = true;
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_system(path_, "rename the finished file to this name");
  named_ = false;
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

}  // namespace gemma
