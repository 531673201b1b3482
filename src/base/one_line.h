// SPDX-License-Identifier: Apache-2.0
// Text that quotes names and values of files, for people to read.
#pragma once

#include <string>
#include <string_view>

namespace gemma {

/** The text with control characters spelled out ("\x1b"): nothing in it breaks the line or speaks to the terminal. */
std::string one_line(std::string_view text);

}  // namespace gemma
