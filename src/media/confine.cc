// SPDX-License-Identifier: Apache-2.0
#include "media/confine.h"

#include <fcntl.h>
#include <sched.h>
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

#include "base/error.h"
#include "media/confine_parts.h"

namespace gemma::media {
namespace {

constexpr const char* kWhere = "media worker";

/** A worker that waits for nothing takes no processor time: it ends after so many times its limit of that. */
constexpr int64_t kPatience = 4;

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
void limit(int which, int64_t soft, int64_t hard, const char* where) {
  rlimit now = {};
  getrlimit(static_cast<__rlimit_resource_t>(which), &now);
  now.rlim_max = std::min(now.rlim_max, static_cast<rlim_t>(hard));  // infinity is the largest
  now.rlim_cur = std::min({now.rlim_cur, now.rlim_max, static_cast<rlim_t>(soft)});
  if (setrlimit(static_cast<__rlimit_resource_t>(which), &now) != 0) {
    fail(where, "cannot limit itself: {}", std::strerror(errno));
  }
}

void limit(int which, int64_t value, const char* where) { limit(which, value, value, where); }

/** Decoders of AV1 and HEVC work with threads or not at all. A new process is none. */
void add_threads(const Filter& filter) {
  const scmp_arg_cmp thread = {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD};
  add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), thread, kWhere);
  // Its flags are in memory, where a filter cannot look; the library then takes the call before it.
  add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), kWhere);
}

/** What fstat is on new systems: of a descriptor, not of a name. */
void add_stat_of_descriptors(const Filter& filter) {
  const scmp_arg_cmp descriptor = {3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH};
  add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), descriptor, kWhere);
}

/** Memory, but none that can be run. */
void add_without_exec(const Filter& filter, int call) {
  const scmp_arg_cmp plain = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  add_rule(filter, SCMP_ACT_ALLOW, call, plain, kWhere);
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
  for (const int call : kAllowed) add_rule(filter, SCMP_ACT_ALLOW, call, kWhere);
  for (const int call : kRefused) add_rule(filter, SCMP_ACT_ERRNO(EPERM), call, kWhere);
  add_threads(filter);
  add_stat_of_descriptors(filter);
  add_without_exec(filter, SCMP_SYS(mmap));
  add_without_exec(filter, SCMP_SYS(mprotect));
  load(filter, kWhere);
}

}  // namespace

void add_rule(const Filter& filter, uint32_t action, int call, const char* where) {
  const int status = seccomp_rule_add(filter.get(), action, call, 0);
  if (status != 0 && status != -EDOM) fail(where, "cannot make its filter: {}", std::strerror(-status));
}

void add_rule(const Filter& filter, uint32_t action, int call, const scmp_arg_cmp& argument, const char* where) {
  const int status = seccomp_rule_add_array(filter.get(), action, call, 1, &argument);
  if (status != 0 && status != -EDOM) fail(where, "cannot make its filter: {}", std::strerror(-status));
}

void load(const Filter& filter, const char* where) {
  const int status = seccomp_load(filter.get());
  if (status != 0) fail(where, "cannot confine itself: {}", std::strerror(-status));
}

void give_up(const Confinement& confinement, int64_t taken, const char* where) {
  if (close_range(static_cast<unsigned>(confinement.last_descriptor + 1), UINT_MAX, 0) != 0) {
    fail(where, "cannot close what it was given beside: {}", std::strerror(errno));
  }
  limit(RLIMIT_AS, taken + confinement.memory, where);
  std::signal(SIGXFSZ, SIG_DFL);                   // it tells what happened
  limit(RLIMIT_FSIZE, confinement.memory, where);  // what it writes is memory, too, and no address space
  limit(RLIMIT_CPU, confinement.cpu_seconds, confinement.cpu_seconds + 1, where);
  limit(RLIMIT_CORE, 0, where);
  alarm(static_cast<unsigned>(std::min<int64_t>(kPatience * confinement.cpu_seconds, UINT_MAX)));
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    fail(where, "cannot give up its privileges: {}", std::strerror(errno));
  }
}

void confine(const Confinement& confinement) {
  die_with_parent(confinement.parent);
  give_up(confinement, address_space(), kWhere);
  filter_calls();
}

}  // namespace gemma::media
