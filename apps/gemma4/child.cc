// SPDX-License-Identifier: Apache-2.0
#include "gemma4/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostComplaint = 100'000;
constexpr int kLongestNap = 20;  // milliseconds between two looks at a child

/** What a child is started with; its descriptors are ours otherwise. */
class Start {
 public:
  Start() {
    posix_spawn_file_actions_init(&files_);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes_, 0);  // so that what it starts is ended with it
    sigset_t signals;
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
  }
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;
  ~Start() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }

  /** `from` becomes `to`; nothing where it is -1. */
  void put(int from, int to) {
    if (from >= 0) {
      posix_spawn_file_actions_adddup2(&files_, from, to);
    } else {
      posix_spawn_file_actions_addopen(&files_, to, "/dev/null", to == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
    }
  }
  pid_t run(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
    std::vector<char*> arguments = pointers(command), variables = pointers(environment);
    pid_t child = 0;
    const int error =
        posix_spawn(&child, command[0].c_str(), &files_, &attributes_, arguments.data(), variables.data());
    if (error != 0) fail(command[0], "cannot start: {}", std::strerror(error));
    return child;
  }

 private:
  static std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> out;
    for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
    out.push_back(nullptr);
    return out;
  }

  posix_spawn_file_actions_t files_ = {};
  posix_spawnattr_t attributes_ = {};
};

/** The last line that says something. */
std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  text.erase(0, text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return text;
}

/** Its status; it is killed when the seconds are over or somebody has pressed Ctrl-C. */
int wait_for(pid_t child, int64_t seconds, bool& too_long) {
  const Clock::time_point start = Clock::now();
  for (int nap = 1;; nap = std::min(2 * nap, kLongestNap)) {
    siginfo_t ended = {};
    const int got = waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
    if ((got == 0 && ended.si_pid == child) || (got < 0 && errno != EINTR)) break;
    too_long = seconds_since(start) > static_cast<double>(seconds);
    if (too_long || InterruptGuard::interrupted()) break;
    poll(nullptr, 0, nap);
  }
  kill(-child, SIGKILL);  // it, and what it has left behind
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

MemoryFile::MemoryFile(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {
  if (fd_ < 0) fail(name, "no memory for it: {}", std::strerror(errno));
}

MemoryFile::~MemoryFile() { close(fd_); }

int64_t MemoryFile::size() const {
  struct stat status = {};
  return fstat(fd_, &status) == 0 ? int64_t{status.st_size} : 0;
}

std::string MemoryFile::text(int64_t most) const {
  std::string out(static_cast<size_t>(std::min(size(), most)), '\0');
  for (size_t at = 0; at < out.size();) {
    const ssize_t got = pread(fd_, out.data() + at, out.size() - at, static_cast<off_t>(at));
    if (got <= 0) {
      out.resize(at);
      break;
    }
    at += static_cast<size_t>(got);
  }
  return out;
}

TemporaryFolder::TemporaryFolder(const fs::path& place) {
  std::string name = (place / "gemma4-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) fail(place.string(), "cannot make a folder there: {}", std::strerror(errno));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string find_program(const std::vector<std::string>& names, std::string_view package) {
  const char* variable = std::getenv("PATH");
  const std::string places = variable == nullptr ? "/usr/local/bin:/usr/bin:/bin" : variable;
  for (const std::string& name : names) {
    for (size_t at = 0; at <= places.size();) {
      const size_t end = std::min(places.find(':', at), places.size());
      const std::string path = places.substr(at, end - at) + "/" + name;
      std::error_code error;
      if (end > at && fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0) return path;
      at = end + 1;
    }
  }
  fail(names[0], "is needed here and not installed (Debian: {})", package);
}

std::vector<std::string> plain_environment() {
  std::vector<std::string> out;
  for (const char* name : {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"}) {
    if (const char* value = std::getenv(name)) out.push_back(std::string(name) + "=" + value);
  }
  return out;
}

ChildEnd run_child(std::vector<std::string> command, const ChildOptions& options) {
  const MemoryFile complaint("complaint");
  Start start;
  start.put(options.input, STDIN_FILENO);
  start.put(options.output, STDOUT_FILENO);
  start.put(complaint.descriptor(), STDERR_FILENO);
  ChildEnd end;
  const int status = wait_for(start.run(command, options.environment), options.seconds, end.too_long);
  if (InterruptGuard::interrupted()) fail(command[0], "interrupted");
  end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  end.complaint = last_line(complaint.text(kMostComplaint));
  return end;
}

std::vector<std::string> confined(const std::vector<std::string>& command, int64_t memory, int64_t cpu_seconds) {
  std::vector<std::string> out{"/proc/self/exe", "confined-run", std::to_string(memory), std::to_string(cpu_seconds)};
  out.insert(out.end(), command.begin(), command.end());
  return out;
}

}  // namespace gemma::app
