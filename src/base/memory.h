// SPDX-License-Identifier: Apache-2.0
// How much memory this process may still take: asked before weights are loaded, so that too little is one clear line
// and not a killed process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gemma {

/** Memory for tensors, aligned to 64 bytes, not cleared; null when there is none. Blocks of a megabyte and more are
 *  whole pages from the system, in 2 MiB pages where it has them, and go back to it at once: a heap would keep the
 *  holes that a growing cache leaves behind. `bytes` must be the same for both. */
std::byte* take_memory(int64_t bytes);
void give_back_memory(std::byte* data, int64_t bytes);

/** Addresses for `bytes` (zero-filled, in 2 MiB pages where the system has them) that take memory as they are written;
 *  null where the system refuses, or where addresses are limited and others want them. Given back by
 *  give_back_memory(), in parts by forget_memory(). */
std::byte* reserve_memory(int64_t bytes);
/** The pages that lie wholly within go back to the system; what was written there is lost, the addresses stay. */
void forget_memory(std::byte* data, int64_t bytes);

/** What this process may still take, in bytes: the smallest of MemAvailable, what the cgroup limits (v1 or v2, all
 *  parents) leave, and what limit_memory() leaves. */
int64_t available_memory();

/** The memory of the machine, or of the cgroup where that is less. */
int64_t total_memory();

/** From now on the process means to hold at most `bytes` of its own (pages of files aside, which the system takes back
 *  when it wants them); 0: no such limit. `name` is what messages call the limit ("--memory 3GB"). */
void limit_memory(int64_t bytes, std::string_view name);

/** "3GB", "2.5GiB", "800MB", "1000000" (bytes), "80%" (of total_memory()); nullopt for anything else and for zero. */
std::optional<int64_t> parse_bytes(std::string_view text);

/** What this process holds in memory: pages of its own, pages of files (shared with the page cache), and the most that
 *  both together have been. */
struct ProcessMemory {
  int64_t own = 0, file = 0, peak = 0;
};
ProcessMemory process_memory();
/** From now on `peak` counts anew; where the system does not let us, it does not. */
void forget_peak_memory();

/** "1.4 GB", "812 MB", "3.1 kB": decimal units, at most three digits. */
std::string format_bytes(int64_t bytes);

/** "found 1.2 GB", with the limit's name where limit_memory() is what leaves so little. */
std::string describe_available();

/** Fails with needed and found when `needed` bytes are not available. */
void require_memory(std::string_view where, std::string_view what, int64_t needed);

}  // namespace gemma
