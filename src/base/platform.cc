// SPDX-License-Identifier: Apache-2.0
#include "base/platform.h"

namespace gemma {

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") != 0; }
#else
bool has_avx2() { return false; }
#endif

}  // namespace gemma
