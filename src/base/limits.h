// SPDX-License-Identifier: Apache-2.0
// Limits that the system has set for this process (ulimit), so that who meets one is told which.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gemma {

/** A limit (RLIMIT_AS, ...), where it is less than `wanted`. */
std::optional<int64_t> system_limit(int which, int64_t wanted);

/** " (ulimit -v is 200000000 bytes)" where addresses are limited, else "". */
std::string describe_address_limit();

}  // namespace gemma
