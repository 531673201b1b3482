// SPDX-License-Identifier: Apache-2.0
// What is left to a program of others that reads a stranger's file. It has to load its libraries and its fonts, so the
// filter says what may not be, not what may.
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "media/confine.h"
#include "media/confine_parts.h"

namespace gemma::media {
namespace {

constexpr const char* kWhere = "confined-run";

/** Where systems keep programs, libraries and fonts. */
constexpr std::array kReadable{"/usr",
                               "/bin",
                               "/lib",
                               "/lib32",
                               "/lib64",
                               "/opt",
                               "/nix/store",
                               "/gnu/store",
                               "/etc/fonts",
                               "/etc/ld.so.cache",
                               "/etc/ld.so.preload",
                               "/etc/alternatives",
                               "/var/cache/fontconfig",
                               "/dev/null",
                               "/dev/zero",
                               "/dev/urandom"};

constexpr int kTruncateAbi = 3, kRenameAbi = 2;
constexpr uint64_t kTruncate = uint64_t{1} << 14;  // of newer headers

void refuse(const Filter& filter, int call) { add_rule(filter, SCMP_ACT_ERRNO(EACCES), call, kWhere); }

/** Opening is for reading: no bit of `bits` in argument `place` of `call`. */
void refuse_bits(const Filter& filter, int call, unsigned place, uint64_t bits) {
  for (uint64_t bit = 1; bit <= bits; bit <<= 1) {
    const scmp_arg_cmp set = {place, SCMP_CMP_MASKED_EQ, bit, bit};
    if ((bits & bit) != 0) add_rule(filter, SCMP_ACT_ERRNO(EACCES), call, set, kWhere);
  }
}

/** It may do that to itself, nobody else. */
void refuse_others(const Filter& filter, int call, scmp_datum_t itself) {
  const scmp_arg_cmp other = {0, SCMP_CMP_NE, itself, 0};
  add_rule(filter, SCMP_ACT_ERRNO(EACCES), call, other, kWhere);
}

void filter_calls() {
  constexpr std::array kRefused{
      // networks and other processes
      SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(io_uring_setup), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
      SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd),
      SCMP_SYS(pidfd_send_signal), SCMP_SYS(kcmp), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo),
      SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(shmget), SCMP_SYS(msgget),
      SCMP_SYS(semget), SCMP_SYS(mq_open),
      // names of files
      SCMP_SYS(creat), SCMP_SYS(truncate), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink),
      SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(mknod), SCMP_SYS(mknodat),
      SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(chmod), SCMP_SYS(fchmodat),
      SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchownat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr),
      SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(utime), SCMP_SYS(utimes), SCMP_SYS(utimensat),
      SCMP_SYS(futimesat),
      // the system
      SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(open_tree),
      SCMP_SYS(move_mount), SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(open_by_handle_at), SCMP_SYS(unshare),
      SCMP_SYS(setns), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl),
      SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
      SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff),
      SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(settimeofday),
      SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(fanotify_init),
      SCMP_SYS(name_to_handle_at)};
  const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (filter == nullptr) fail(kWhere, "cannot make its filter: no memory");
  for (const int call : kRefused) refuse(filter, call);
  constexpr uint64_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  refuse_bits(filter, SCMP_SYS(open), 1, kWriting);
  refuse_bits(filter, SCMP_SYS(openat), 2, kWriting);
  const auto itself = static_cast<scmp_datum_t>(getpid());
  refuse_others(filter, SCMP_SYS(kill), itself);
  refuse_others(filter, SCMP_SYS(tgkill), itself);
  refuse_others(filter, SCMP_SYS(prlimit64), 0);
  // A new process, whose flags are without this one; those of clone3 and openat2 are in memory, where no filter looks.
  const scmp_arg_cmp process = {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0};
  add_rule(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(clone), process, kWhere);
  add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), kWhere);
  add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), kWhere);
  load(filter, kWhere);
}

/** Only what is readable is there at all, where the kernel can do that (Landlock, 5.13); the filter holds without. */
void hide_files() {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return;
  landlock_ruleset_attr handled = {};
  handled.handled_access_fs = (uint64_t{LANDLOCK_ACCESS_FS_MAKE_SYM} << 1) - 1;
  if (abi >= kRenameAbi) handled.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= kTruncateAbi) handled.handled_access_fs |= kTruncate;
  const auto rules = static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0));
  if (rules < 0) return;
  for (const char* path : kReadable) {
    landlock_path_beneath_attr beneath = {};
    beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0) continue;
    beneath.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0) {  // a file is no folder
      beneath.allowed_access &= ~uint64_t{LANDLOCK_ACCESS_FS_READ_DIR};
      syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    }
    close(beneath.parent_fd);
  }
  const long status = syscall(SYS_landlock_restrict_self, rules, 0);
  close(rules);
  if (status != 0) fail(kWhere, "cannot confine itself: {}", std::strerror(errno));
}

}  // namespace

void confine_program(const Confinement& confinement) {
  give_up(confinement, 0, kWhere);  // the program takes what it needs itself
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hide_files();
  filter_calls();
}

}  // namespace gemma::media
