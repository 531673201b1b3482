// SPDX-License-Identifier: Apache-2.0
#include "media/worker.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "media/worker_wire.h"

namespace gemma::media {
namespace {

constexpr int64_t kMaxAnswer = 100'000'000;  // of JSON: a long film's frames
constexpr int64_t kMaxArrays = 64'000'000'000;

/** Memory without a name, which a child inherits. */
class SharedMemory {
 public:
  explicit SharedMemory(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {
    if (fd_ < 0) fail("media worker", "no shared memory: {}", std::strerror(errno));
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { close(fd_); }

  int descriptor() const { return fd_; }
  int64_t size() const {
    struct stat status = {};
    return fstat(fd_, &status) == 0 ? int64_t{status.st_size} : 0;
  }
  void write(std::string_view text) {
    if (::pwrite(fd_, text.data(), text.size(), 0) != std::ssize(text)) {
      fail("media worker", "no shared memory for its request: {}", std::strerror(errno));
    }
  }
  bool read(int64_t offset, std::byte* out, int64_t n) const {
    while (n > 0) {
      const ssize_t got = ::pread(fd_, out, static_cast<size_t>(n), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      out += got;
      offset += got;
      n -= got;
    }
    return true;
  }
  std::string text(int64_t limit) const {
    std::string out(static_cast<size_t>(std::clamp<int64_t>(size(), 0, limit)), '\0');
    return read(0, reinterpret_cast<std::byte*>(out.data()), std::ssize(out)) ? out : "";
  }

 private:
  int fd_;
};

struct Channels {
  SharedMemory request{"request"}, answer{"answer"}, complaint{"complaint"}, arrays{"arrays"};
};

/** Starts the worker with its descriptors in their places; they are not inherited otherwise. */
pid_t start(const File& file, const Channels& channels, const WorkerOptions& options) {
  std::vector<std::string> command = options.command;
  if (command.empty()) command = {"/proc/self/exe", "media-worker"};
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // Copies above all places first: a source that lies in another's place would be overwritten.
  const std::array sources{channels.request.descriptor(), channels.answer.descriptor(), channels.complaint.descriptor(),
                           file.descriptor(), channels.arrays.descriptor()};
  std::array<int, sources.size()> copies{};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (size_t i = 0; i < sources.size(); ++i) {
    copies[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, 16);
    posix_spawn_file_actions_adddup2(&actions, copies[i], static_cast<int>(i));
  }
  std::array<char*, 2> environment{const_cast<char*>("LC_ALL=C"), nullptr};
  pid_t child = -1;
  const int status = posix_spawn(&child, command[0].c_str(), &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  for (const int copy : copies) close(copy);
  if (status != 0) fail(file.path(), "cannot start the media worker: {}", std::strerror(status));
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/** Its complaint without what our own line begins with anyway. */
[[noreturn]] void fail_with_complaint(const std::string& name, std::string text, int64_t memory) {
  text = text.substr(0, text.find('\n'));
  for (const std::string& start : {std::string("gemma4: "), name + ": "}) {
    if (text.starts_with(start)) text.erase(0, start.size());
  }
  if (text.find("bad_alloc") != std::string::npos || text.empty()) {
    fail(name, "decoding it takes more than {} bytes of memory (--max-memory)", memory);
  }
  fail(name, "{}", text);
}

void check_end(int status, const std::string& name, const Channels& channels, const WorkerOptions& options) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    if (signal == SIGXCPU || signal == SIGALRM || signal == SIGKILL) {  // the last from the system, after SIGXCPU
      fail(name, "decoding it takes more than {} seconds (--max-cpu)", options.cpu_seconds);
    }
    if (signal == SIGSYS) fail(name, "the decoder tried what it may not do; the file is damaged or hostile");
    if (signal == SIGINT || signal == SIGTERM) fail(name, "interrupted");
    fail(name, "the decoder was ended by signal {} ({}); the file is damaged or hostile", signal, strsignal(signal));
  }
  if (WEXITSTATUS(status) != 0) fail_with_complaint(name, channels.complaint.text(4000), options.memory);
}

}  // namespace

Prepared prepare_apart(const File& file, const PrepareOptions& options, const WorkerOptions& worker) {
  Channels channels;
  const WorkerRequest request{file.path(), worker.memory + file.size(), worker.cpu_seconds, options};
  channels.request.write(write_json(to_json(request)));
  const int status = wait_for(start(file, channels, worker));
  check_end(status, file.path(), channels, worker);
  const std::string text = channels.answer.text(kMaxAnswer);
  Result<WorkerAnswer> answer = answer_from(text, std::min(channels.arrays.size(), kMaxArrays));
  if (!answer) fail(file.path(), "the media worker's answer makes no sense: {}", answer.failure().message());
  Prepared out{std::move(answer.value().facts), {}};
  for (WorkerArray& described : answer.value().arrays) {
    Array array{std::move(described.name), described.dtype, described.shape, {}};
    array.bytes.resize(static_cast<size_t>(described.bytes));
    if (!channels.arrays.read(described.offset, array.bytes.data(), described.bytes)) {
      fail(file.path(), "the media worker's arrays cannot be read: {}", std::strerror(errno));
    }
    out.arrays.push_back(std::move(array));
  }
  return out;
}

}  // namespace gemma::media
