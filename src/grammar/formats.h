// SPDX-License-Identifier: Apache-2.0
// The formats of JSON Schema as regular expressions.
#pragma once

#include <string_view>

namespace gemma {

/** "" where the format is not known. As to their form: 31 February is a date. */
std::string_view format_pattern(std::string_view format);

}  // namespace gemma
