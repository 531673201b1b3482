// SPDX-License-Identifier: Apache-2.0
// Codes of one byte and of half a byte as panels of weights (packed.h) and of the cache (packed_cache.h) hold them, as
// eight vectors of four values of kLanes rows each.
#pragma once

#include <cstddef>

namespace gemma::cpu {

template <class V>
[[gnu::always_inline]] inline void load_bytes(const std::byte* at, typename V::Codes* codes) {
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) codes[j] = V::load(at + 64 * j);
}

template <class V>
[[gnu::always_inline]] inline void load_nibbles(const std::byte* at, typename V::Codes* codes) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const typename V::Codes both = V::load(at + 64 * j);
    codes[j] = V::low(both);
    codes[4 + j] = V::high(both);
  }
}

}  // namespace gemma::cpu
