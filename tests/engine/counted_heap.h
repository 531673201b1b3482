// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace gemma::testing_engine {

/** How often the program that this is linked into has asked operator new for memory. */
int64_t heap_allocations();

}  // namespace gemma::testing_engine
