// SPDX-License-Identifier: Apache-2.0
// How much memory this process may still take: asked before weights are loaded, so that too little is one clear line
// and not a killed process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gemma {

/** The smaller of MemAvailable and what the cgroup limits (v1 or v2, all parents) leave, in bytes. */
int64_t available_memory();

/** "1.4 GB", "812 MB", "3.1 kB": decimal units, at most three digits. */
std::string format_bytes(int64_t bytes);

/** Fails with needed and found when `needed` bytes are not available. */
void require_memory(std::string_view where, std::string_view what, int64_t needed);

}  // namespace gemma
