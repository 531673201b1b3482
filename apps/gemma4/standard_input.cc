// SPDX-License-Identifier: Apache-2.0
#include "gemma4/standard_input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/interrupted.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr const char* kName = "standard input";
constexpr int kPollMilliseconds = 50;  // a Ctrl-C between the look at its flag and the wait is seen so soon

/** Hands over block after block until the end. */
template <class Take>
void read_blocks(const Take& take) {
  std::array<char, 65536> block{};
  while (true) {
    if (InterruptGuard::interrupted()) fail_interrupted(kName);
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, kPollMilliseconds) <= 0) continue;
    const ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) fail(kName, "cannot read: {}", std::strerror(errno));
    if (got == 0 && !InterruptGuard::interrupted()) return;
    take(std::string_view(block.data(), static_cast<size_t>(got)));
  }
}

}  // namespace

std::string read_standard_input() {
  std::string text;
  read_blocks([&](std::string_view block) { text += block; });
  return text;
}

bool is_standard_input(const std::string& path) {
  struct stat named = {}, input = {};
  if (::stat(path.c_str(), &named) != 0 || ::fstat(STDIN_FILENO, &input) != 0) return false;
  return named.st_dev == input.st_dev && named.st_ino == input.st_ino && !S_ISREG(named.st_mode);
}

File file_of_standard_input(int64_t limit) {
  const int fd = memfd_create(kName, MFD_CLOEXEC);
  if (fd < 0) fail(kName, "no memory for it: {}", std::strerror(errno));
  const File closes = File::adopt(fd, kName);
  int64_t size = 0;
  read_blocks([&](std::string_view block) {
    size += std::ssize(block);
    if (size > limit) fail(kName, "more than {} bytes (--max-bytes)", limit);
    while (!block.empty()) {
      const ssize_t wrote = ::write(fd, block.data(), block.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) {
        fail(kName, "no memory for it: {}{}", std::strerror(errno), errno == EFBIG ? " (ulimit -f)" : "");
      }
      block.remove_prefix(static_cast<size_t>(wrote));
    }
  });
  return File::adopt(fcntl(fd, F_DUPFD_CLOEXEC, 0), kName);  // its size is known now
}

}  // namespace gemma::app
