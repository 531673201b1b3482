// SPDX-License-Identifier: Apache-2.0
#include "media/confine.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace gemma::media {
namespace {

constexpr const char* kWhere = "media worker";

/** A worker that waits for nothing takes no processor time: it ends after so many times its limit of that. */
constexpr int64_t kPatience = 4;

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

/** What the program and its libraries take already. */
int64_t address_space() {
  std::array<char, 64> text{};  // its first number is of pages
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, text.data(), text.size());
  if (fd >= 0) close(fd);
  int64_t pages = 0;
  if (got > 0) std::from_chars(text.data(), text.data() + got, pages);
  return pages * sysconf(_SC_PAGESIZE);
}

/** `soft` brings a signal that tells what it was; `hard` is what a signal that is caught does not get beyond. Limits
 *  that the system has set stay. */
void limit(int which, int64_t soft, int64_t hard) {
  rlimit now = {};
  getrlimit(static_cast<__rlimit_resource_t>(which), &now);
  now.rlim_max = std::min(now.rlim_max, static_cast<rlim_t>(hard));  // infinity is the largest
  now.rlim_cur = std::min({now.rlim_cur, now.rlim_max, static_cast<rlim_t>(soft)});
  if (setrlimit(static_cast<__rlimit_resource_t>(which), &now) != 0) {
    fail(kWhere, "cannot limit itself: {}", std::strerror(errno));
  }
}

void limit(int which, int64_t value) { limit(which, value, value); }

void add(const Filter& filter, uint32_t action, int call) {
  const int status = seccomp_rule_add(filter.get(), action, call, 0);
  if (status != 0 && status != -EDOM) fail(kWhere, "cannot make its filter: {}", std::strerror(-status));
}

/** Decoders of AV1 and HEVC work with threads or not at all. A new process is none. */
void add_threads(const Filter& filter) {
  const scmp_arg_cmp thread = {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD};
  int status = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread);
  // Its flags are in memory, where a filter cannot look; the library then takes the call before it.
  if (status == 0) status = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (status != 0) fail(kWhere, "cannot make its filter: {}", std::strerror(-status));
}

/** What fstat is on new systems: of a descriptor, not of a name. */
void add_stat_of_descriptors(const Filter& filter) {
  const scmp_arg_cmp descriptor = {3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH};
  const int status = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1, &descriptor);
  if (status != 0) fail(kWhere, "cannot make its filter: {}", std::strerror(-status));
}

/** Memory, but none that can be run. */
void add_without_exec(const Filter& filter, int call) {
  const scmp_arg_cmp plain = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  const int status = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &plain);
  if (status != 0) fail(kWhere, "cannot make its filter: {}", std::strerror(-status));
}

/** Nobody waits for the answer of a process whose parent is gone. That may have happened already. */
void die_with_parent(int64_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail(kWhere, "cannot die in time: {}", std::strerror(errno));
  if (parent > 0 && getppid() != parent) fail(kWhere, "who started it is gone");
}

void filter_calls() {
  constexpr std::array kAllowed{
      // memory
      SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
      // descriptors that are open
      SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(pwrite64), SCMP_SYS(writev), SCMP_SYS(lseek),
      SCMP_SYS(fstat), SCMP_SYS(ftruncate), SCMP_SYS(close),
      // time, luck, itself
      SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(futex), SCMP_SYS(sched_yield),
      SCMP_SYS(sched_getaffinity), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getrusage), SCMP_SYS(sysinfo),
      SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
      SCMP_SYS(tgkill), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(clock_nanosleep), SCMP_SYS(exit),
      SCMP_SYS(exit_group)};
  constexpr std::array kRefused{SCMP_SYS(open),
                                SCMP_SYS(openat),
                                SCMP_SYS(openat2),
                                SCMP_SYS(access),
                                SCMP_SYS(faccessat),
                                SCMP_SYS(readlink),
                                SCMP_SYS(stat),
                                SCMP_SYS(prctl),
                                SCMP_SYS(ioctl),
                                SCMP_SYS(prlimit64),
                                SCMP_SYS(sched_setaffinity)};
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (filter == nullptr) fail(kWhere, "cannot make its filter: no memory");
  for (const int call : kAllowed) add(filter, SCMP_ACT_ALLOW, call);
  for (const int call : kRefused) add(filter, SCMP_ACT_ERRNO(EPERM), call);
  add_threads(filter);
  add_stat_of_descriptors(filter);
  add_without_exec(filter, SCMP_SYS(mmap));
  add_without_exec(filter, SCMP_SYS(mprotect));
  const int status = seccomp_load(filter.get());
  if (status != 0) fail(kWhere, "cannot confine itself: {}", std::strerror(-status));
}

}  // namespace

void confine(const Confinement& confinement) {
  die_with_parent(confinement.parent);
  const int64_t before = address_space();
  if (close_range(static_cast<unsigned>(confinement.last_descriptor + 1), UINT_MAX, 0) != 0) {
    fail(kWhere, "cannot close what it was given beside: {}", std::strerror(errno));
  }
  limit(RLIMIT_AS, before + confinement.memory);
  std::signal(SIGXFSZ, SIG_DFL);            // it tells what happened
  limit(RLIMIT_FSIZE, confinement.memory);  // what it writes is memory, too, and no address space
  limit(RLIMIT_CPU, confinement.cpu_seconds, confinement.cpu_seconds + 1);
  limit(RLIMIT_CORE, 0);
  alarm(static_cast<unsigned>(std::min<int64_t>(kPatience * confinement.cpu_seconds, UINT_MAX)));
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    fail(kWhere, "cannot give up its privileges: {}", std::strerror(errno));
  }
  filter_calls();
}

}  // namespace gemma::media
