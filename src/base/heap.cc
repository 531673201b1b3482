// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <malloc.h>

namespace gemma {

void share_heap() { mallopt(M_ARENA_MAX, 1); }

void trim_heap() { malloc_trim(0); }

}  // namespace gemma
