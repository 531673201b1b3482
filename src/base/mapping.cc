// SPDX-License-Identifier: Apache-2.0
#include "base/mapping.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace gemma {
namespace {

/** What the handler knows of a mapping; begin 0: free. Nothing here is more than a lock-free word: a signal may come at
 *  any instruction. */
struct Slot {
  std::atomic<uintptr_t> begin{0}, end{0};
  std::atomic<bool> broken{false};
};
std::array<Slot, 256> slots;
uintptr_t page_size = 4096;
struct sigaction earlier = {};

/** Zeros take the place of the page at fault and of all behind it; the instruction then runs again. A fault that is in
 *  no mapping of ours ends the process as it did before. */
void on_bus_error(int, siginfo_t* info, void*) {
  const int error = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load(), end = slot.end.load();
    if (begin == 0 || address < begin || address >= end) continue;
    const uintptr_t page = address / page_size * page_size;
    void* zeros =
        mmap(reinterpret_cast<void*>(page), end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros == MAP_FAILED) break;
    slot.broken.store(true);
    errno = error;
    return;
  }
  sigaction(SIGBUS, &earlier, nullptr);
  raise(SIGBUS);  // blocked until this returns
}

void install_handler() {
  static const bool installed = [] {
    page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &earlier) == 0;
  }();
  GEMMA_CHECK(installed, "SIGBUS has a handler");
}

size_t take_slot(const std::string& path, uintptr_t begin, uintptr_t end) {
  for (size_t i = 0; i < slots.size(); ++i) {
    uintptr_t free = 0;
    if (!slots[i].begin.compare_exchange_strong(free, begin)) continue;
    slots[i].broken.store(false);
    slots[i].end.store(end);
    return i;
  }
  fail(path, "cannot map: more than {} files", slots.size());
}

}  // namespace

Mapping::Mapping(const File& file) : size_(file.size()) {
  if (size_ == 0) fail(file.path(), "cannot map: the file is empty");
  install_handler();
  const auto length = static_cast<size_t>(size_);
  void* data = mmap(nullptr, length, PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (data == MAP_FAILED) fail(file.path(), "cannot map {} bytes: {}", size_, std::strerror(errno));
  data_ = static_cast<const std::byte*>(data);
  const auto begin = reinterpret_cast<uintptr_t>(data);
  slot_ = take_slot(file.path(), begin, (begin + length + page_size - 1) / page_size * page_size);
}

Mapping::~Mapping() {
  slots[slot_].end.store(0);
  munmap(const_cast<std::byte*>(data_), static_cast<size_t>(size_));
  slots[slot_].begin.store(0);
}

bool Mapping::broken() const { return slots[slot_].broken.load(); }

}  // namespace gemma
