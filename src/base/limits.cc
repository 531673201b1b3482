// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <limits>

namespace gemma {

std::optional<int64_t> system_limit(int which, int64_t wanted) {
  rlimit now = {};
  getrlimit(static_cast<__rlimit_resource_t>(which), &now);
  if (now.rlim_cur >= static_cast<rlim_t>(wanted)) return std::nullopt;  // infinity is the largest
  return static_cast<int64_t>(now.rlim_cur);
}

std::string describe_address_limit() {
  const auto most = system_limit(RLIMIT_AS, std::numeric_limits<int64_t>::max());
  return most ? fmt::format(" (ulimit -v is {} bytes)", *most) : "";
}

}  // namespace gemma
