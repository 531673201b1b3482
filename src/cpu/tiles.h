// SPDX-License-Identifier: Apache-2.0
// Rows divided into tiles of nearly equal size, so that none runs at a fraction of its speed: with at most 6, 8 rows
// are 4 + 4 and not 6 + 2.
#pragma once

#include <cstdint>

namespace gemma::cpu {

/** body(first, rows) for each tile of at most `limit` rows, in order. */
template <class Body>
void for_tiles(int64_t rows, int64_t limit, const Body& body) {
  const int64_t count = (rows + limit - 1) / limit;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t first = rows * t / count;
    body(first, rows * (t + 1) / count - first);
  }
}

}  // namespace gemma::cpu
