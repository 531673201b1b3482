// SPDX-License-Identifier: Apache-2.0
// A process that decodes what strangers made gives up everything it does not need for that, before it reads a byte.
#pragma once

#include <cstdint>

namespace gemma::media {

struct Confinement {
  int64_t memory = 0;  // bytes of address space, beside what the program takes before it begins; of each descriptor
  int64_t cpu_seconds = 0;  // of processor time; four times as long by the clock
  int last_descriptor = 2;  // all above are closed
  int64_t parent = 0;       // the process that this one dies with; 0: whichever started it
};

/** From here on this process, for good: has these limits; ends when the one that started it does; cannot gain
 * privileges, be traced or leave a core; can open nothing, make no socket and no process, map nothing executable. What
 * it asks for beside memory, threads and its open descriptors ends it; opening is refused instead, for libraries try it
 * and go on without. */
void confine(const Confinement& confinement);

/** The same for a program of others that this process becomes next: it has these limits, `memory` being all of its own;
 *  cannot gain privileges, start or touch other processes, make a socket, or write to anything but its open
 * descriptors; can open files for reading, and where the kernel knows Landlock only what systems keep programs and
 * fonts in. Such calls are refused. It ends with the process that started it. */
void confine_program(const Confinement& confinement);

}  // namespace gemma::media
