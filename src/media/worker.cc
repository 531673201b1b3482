// SPDX-License-Identifier: Apache-2.0
#include "media/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/interrupted.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "media/worker_wire.h"

namespace gemma::media {
namespace {

constexpr int64_t kMaxAnswer = 100'000'000;  // of JSON: a long film's frames
constexpr int kLookMilliseconds = 50;        // how soon a Ctrl-C is seen

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
      fail("media worker", "no shared memory for its request: {}{}", std::strerror(errno),
           errno == EFBIG ? " (ulimit -f)" : "");
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
    // Copies above the limit fail with a reason that does not name it.
    if (const auto open = system_limit(RLIMIT_NOFILE, kAbove + kHanded)) {
      fail("media worker", "cannot hand over what is open: needs {} open files, the system allows {} (ulimit -n)",
           kAbove + kHanded, *open);
    }
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

  static constexpr int kAbove = 16, kHanded = 5;
  posix_spawn_file_actions_t actions_ = {};
  std::vector<int> copies_;
};

/** Signals mean to a worker what they mean to anybody, whatever we ignore. */
class PlainSignals {
 public:
  PlainSignals() {
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  PlainSignals(const PlainSignals&) = delete;
  PlainSignals& operator=(const PlainSignals&) = delete;
  ~PlainSignals() { posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_ = {};
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
  const PlainSignals signals;
  const int status = posix_spawn(&child, command[0].c_str(), places.actions(), signals.attributes(), arguments.data(),
                                 environment.data());
  if (status != 0) fail(file.path(), "cannot start the media worker: {}", std::strerror(status));
  return child;
}

struct End {
  int status = 0;
  double cpu_seconds = 0;  // that it took
};

/** Looks now and then whether it is still wanted. */
End wait_for(pid_t child, const std::string& name, const std::function<bool()>& interrupted) {
  End end;
  rusage used = {};
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, child, 0));  // old systems have none: a look more often
  bool unwanted = false;
  while (true) {
    const pid_t ended = wait4(child, &end.status, WNOHANG, &used);
    if (ended == child || (ended < 0 && errno != EINTR)) break;
    if (!unwanted && interrupted && interrupted()) {
      unwanted = true;
      kill(child, SIGKILL);
    }
    pollfd over{handle, POLLIN, 0};
    poll(&over, 1, handle >= 0 ? kLookMilliseconds : 2);
  }
  if (handle >= 0) close(handle);
  if (unwanted) fail_interrupted(name);
  for (const timeval& time : {used.ru_utime, used.ru_stime}) {
    end.cpu_seconds += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  }
  return end;
}

[[noreturn]] void fail_for_memory(const std::string& name, int64_t memory) {
  constexpr int64_t kProgram = 1'000'000'000;  // addresses of the program itself come on top of ours
  if (const auto most = system_limit(RLIMIT_AS, memory + kProgram)) {
    fail(name, "decoding it takes more memory than the system lets a process have: {} bytes (ulimit -v)", *most);
  }
  fail(name, "decoding it takes more than {} bytes of memory (--max-memory)", memory);
}

[[noreturn]] void fail_for_time(const std::string& name, int64_t seconds) {
  if (const auto most = system_limit(RLIMIT_CPU, seconds)) {
    fail(name, "decoding it takes more time than the system lets a process have: {} seconds (ulimit -t)", *most);
  }
  fail(name, "decoding it takes more than {} seconds (--max-cpu)", seconds);
}

[[noreturn]] void fail_for_written(const std::string& name, int64_t memory) {
  if (const auto most = system_limit(RLIMIT_FSIZE, memory)) {
    fail(name, "decoding it writes more than the system lets a process write: {} bytes (ulimit -f)", *most);
  }
  fail_for_memory(name, memory);
}

/** Whether a complaint is of memory: the library's, the system's, or the loader's of libraries. */
bool lacks_memory(std::string_view text) {
  constexpr std::array<std::string_view, 4> kWords{"bad_alloc", "annot allocate memory", "no memory",
                                                   "failed to map segment"};
  return text.empty() || std::any_of(kWords.begin(), kWords.end(), [&](std::string_view words) {
           return text.find(words) != std::string_view::npos;
         });
}

/** Its complaint without what our own line begins with anyway. */
[[noreturn]] void fail_with_complaint(const std::string& name, std::string text, int64_t memory) {
  text = text.substr(0, text.find('\n'));
  for (const std::string& start : {std::string("gemma4: "), utf8::replace_invalid(name) + ": "}) {
    if (text.starts_with(start)) text.erase(0, start.size());
  }
  if (lacks_memory(text)) fail_for_memory(name, memory);
  fail(name, "{}", text);
}

void check_end(const End& end, const std::string& name, const Channels& channels, const WorkerOptions& options) {
  if (WIFSIGNALED(end.status)) {
    const int signal = WTERMSIG(end.status);
    const int64_t most = system_limit(RLIMIT_CPU, options.cpu_seconds).value_or(options.cpu_seconds);
    // It caught SIGXCPU, or never got it. What limits are held against is counted in ticks, not all its own.
    const auto limit = static_cast<double>(most);
    const bool out_of_time = signal == SIGKILL && end.cpu_seconds >= limit - std::max(0.5, 0.1 * limit);
    if (signal == SIGXCPU || signal == SIGALRM || out_of_time) fail_for_time(name, options.cpu_seconds);
    if (signal == SIGXFSZ) fail_for_written(name, options.memory);
    if (signal == SIGINT) fail_interrupted(name);  // a terminal sends it to both of us
    if (signal == SIGKILL) fail(name, "the decoder was killed from outside, as systems do when memory runs out");
    if (signal == SIGTERM) fail(name, "the decoder was told to end from outside");
    if (signal == SIGSYS) fail(name, "the decoder tried what it may not do; the file is damaged or hostile");
    // Libraries that get no memory end in many ways.
    const bool little = options.memory < WorkerOptions().memory;
    fail(name, "the decoder was ended by signal {} ({}); the file is damaged or hostile{}", signal, strsignal(signal),
         little ? fmt::format(", or takes more than {} bytes of memory (--max-memory)", options.memory) : "");
  }
  if (WEXITSTATUS(end.status) != 0) fail_with_complaint(name, channels.complaint.text(4000), options.memory);
}

void check_limits(const WorkerOptions& options) {
  if (options.memory < kMinWorkerMemory || options.memory > kMaxWorkerMemory) {
    fail_usage("--max-memory", "expected {} to {} bytes, found {}", kMinWorkerMemory, kMaxWorkerMemory, options.memory);
  }
  if (options.cpu_seconds < 1 || options.cpu_seconds > kMaxWorkerSeconds) {
    fail_usage("--max-cpu", "expected 1 to {} seconds, found {}", kMaxWorkerSeconds, options.cpu_seconds);
  }
}

}  // namespace

Prepared prepare_apart(const File& file, const PrepareOptions& options, const WorkerOptions& worker) {
  check_limits(worker);
  Channels channels;
  const WorkerRequest request{file.path(), worker.memory + file.size(), worker.cpu_seconds, getpid(), options};
  channels.request.write(write_json(to_json(request)));
  const End end = wait_for(start(file, channels, worker), file.path(), worker.interrupted);
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
