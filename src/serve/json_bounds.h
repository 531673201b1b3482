// SPDX-License-Identifier: Apache-2.0
// How much JSON is read at once: a value takes some 50 bytes of memory, however short its spelling, so that bytes alone
// are no bound.
#pragma once

#include <cstdint>
#include <string_view>

namespace gemma::serve {

inline constexpr int64_t kMostValues = 1'000'000;

/** At least as many values as a JSON text has, without reading it: each but the first stands behind a bracket or a
 *  comma. */
int64_t most_values(std::string_view json);

}  // namespace gemma::serve
