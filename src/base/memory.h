// SPDX-License-Identifier: Apache-2.0
// How much memory this process may still take: asked before weights are loaded, so that too little is one clear line
// and not a killed process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemma {

/** Memory for tensors, aligned to 64 bytes, not cleared; null when there is none. Blocks of a megabyte and more are
 *  whole pages from the system, in 2 MiB pages where it has them, and go back to it at once: a heap would keep the
 *  holes that a growing cache leaves behind. `bytes` must be the same for both. */
std::byte* take_memory(int64_t bytes);
void give_back_memory(std::byte* data, int64_t bytes);

/** The smaller of MemAvailable and what the cgroup limits (v1 or v2, all parents) leave, in bytes. */
int64_t available_memory();

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

/** Fails with needed and found when `needed` bytes are not available. */
void require_memory(std::string_view where, std::string_view what, int64_t needed);

}  // namespace gemma
