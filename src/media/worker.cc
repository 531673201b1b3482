// SPDX-License-Identifier: Apache-2.0
#include "media/worker.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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

/** Which of our descriptors become which of the worker's. They are not inherited otherwise. */
class Places {
 public:
  Places() {
    if (const int status = posix_spawn_file_actions_init(&actions_); status != 0) fail_to_hand_over(status);
  }
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;
  ~Places() {
    posix_spawn_file_actions_destroy(&actions_);
    for (const int copy : copies_) close(copy);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  /** Goes by a copy above all places: a source that lies in another's place would be overwritten. */
  void put(int source, int place) {
    constexpr int kAbove = 16;
    const int copy = fcntl(source, F_DUPFD_CLOEXEC, kAbove);
    if (copy < 0) fail_to_hand_over(errno);
    copies_.push_back(copy);
    if (const int status = posix_spawn_file_actions_adddup2(&actions_, copy, place); status != 0) {
      fail_to_hand_over(status);
    }
  }

 private:
  [[noreturn]] static void fail_to_hand_over(int status) {
    fail("media worker", "cannot hand over what is open: {}", std::strerror(status));
  }

  posix_spawn_file_actions_t actions_ = {};
  std::vector<int> copies_;
};

pid_t start(const File& file, const Channels& channels, const WorkerOptions& options) {
  std::vector<std::string> command = options.command;
  if (command.empty()) command = {"/proc/self/exe", "media-worker"};
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  Places places;
  places.put(channels.request.descriptor(), STDIN_FILENO);
  places.put(channels.answer.descriptor(), STDOUT_FILENO);
  places.put(channels.complaint.descriptor(), STDERR_FILENO);
  places.put(file.descriptor(), kFileDescriptor);
  places.put(channels.arrays.descriptor(), kArraysDescriptor);
  std::array<char*, 2> environment{const_cast<char*>("LC_ALL=C"), nullptr};
  pid_t child = -1;
  const int status =
      posix_spawn(&child, command[0].c_str(), places.actions(), nullptr, arguments.data(), environment.data());
  if (status != 0) fail(file.path(), "cannot start the media worker: {}", std::strerror(status));
  return child;
}

struct End {
  int status = 0;
  int64_t cpu_seconds = 0;  // that it took, rounded down
};

End wait_for(pid_t child) {
  End end;
  rusage used = {};
  while (wait4(child, &end.status, 0, &used) < 0 && errno == EINTR) {
  }
  const int64_t microseconds = used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  end.cpu_seconds = used.ru_utime.tv_sec + used.ru_stime.tv_sec + microseconds / 1'000'000;
  return end;
}

[[noreturn]] void fail_for_memory(const std::string& name, int64_t memory) {
  fail(name, "decoding it takes more than {} bytes of memory (--max-memory)", memory);
}

/** Its complaint without what our own line begins with anyway. */
[[noreturn]] void fail_with_complaint(const std::string& name, std::string text, int64_t memory) {
  text = text.substr(0, text.find('\n'));
  for (const std::string& start : {std::string("gemma4: "), name + ": "}) {
    if (text.starts_with(start)) text.erase(0, start.size());
  }
  if (text.find("bad_alloc") != std::string::npos || text.empty()) {
    fail_for_memory(name, memory);
  }
  fail(name, "{}", text);
}

void check_end(const End& end, const std::string& name, const Channels& channels, const WorkerOptions& options) {
  if (WIFSIGNALED(end.status)) {
    const int signal = WTERMSIG(end.status);
    const bool out_of_time = signal == SIGKILL && end.cpu_seconds >= options.cpu_seconds;  // it caught SIGXCPU
    if (signal == SIGXCPU || signal == SIGALRM || out_of_time) {
      fail(name, "decoding it takes more than {} seconds (--max-cpu)", options.cpu_seconds);
    }
    if (signal == SIGXFSZ) fail_for_memory(name, options.memory);
    if (signal == SIGKILL) fail(name, "the decoder was killed from outside, as systems do when memory runs out");
    if (signal == SIGSYS) fail(name, "the decoder tried what it may not do; the file is damaged or hostile");
    if (signal == SIGINT || signal == SIGTERM) fail(name, "interrupted");
    fail(name, "the decoder was ended by signal {} ({}); the file is damaged or hostile", signal, strsignal(signal));
  }
  if (WEXITSTATUS(end.status) != 0) fail_with_complaint(name, channels.complaint.text(4000), options.memory);
}

void check_limits(const WorkerOptions& options) {
  if (options.memory < 1 || options.memory > kMaxWorkerMemory) {
    fail_usage("--max-memory", "expected 1 to {} bytes, found {}", kMaxWorkerMemory, options.memory);
  }
  if (options.cpu_seconds < 1 || options.cpu_seconds > kMaxWorkerSeconds) {
    fail_usage("--max-cpu", "expected 1 to {} seconds, found {}", kMaxWorkerSeconds, options.cpu_seconds);
  }
}

}  // namespace

Prepared prepare_apart(const File& file, const PrepareOptions& options, const WorkerOptions& worker) {
  check_limits(worker);
  Channels channels;
  const WorkerRequest request{file.path(), worker.memory + file.size(), worker.cpu_seconds, options};
  channels.request.write(write_json(to_json(request)));
  const End end = wait_for(start(file, channels, worker));
  check_end(end, file.path(), channels, worker);
  const std::string text = channels.answer.text(kMaxAnswer);
  Result<WorkerAnswer> answer = answer_from(text, std::min(channels.arrays.size(), request.memory));
  if (!answer) fail(file.path(), "the media worker's answer makes no sense: {}", answer.failure().message());
  Prepared out{std::move(answer.value().facts), {}};
  for (WorkerArray& described : answer.value().arrays) {
    Array array{std::move(described.name), Tensor::host(described.dtype, described.shape)};
    if (!channels.arrays.read(described.offset, array.values.raw_mutable().data(), described.bytes)) {
      fail(file.path(), "the media worker's arrays cannot be read: {}", std::strerror(errno));
    }
    out.arrays.push_back(std::move(array));
  }
  return out;
}

}  // namespace gemma::media
