// SPDX-License-Identifier: Apache-2.0
// What comes through standard input. Ctrl-C ends the reading of it (Interrupted) while an InterruptGuard lives.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"

namespace gemma::app {

/** All of it, as text. */
std::string read_standard_input();
/** Whether `path` leads to standard input that is no file ("/dev/stdin"). */
bool is_standard_input(const std::string& path);
/** All of standard input as a file without a name; fails when it is more than `limit` bytes. */
File file_of_standard_input(int64_t limit);

}  // namespace gemma::app
