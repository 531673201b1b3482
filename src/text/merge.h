// SPDX-License-Identifier: Apache-2.0
// The merging loop: join the neighbours of the smallest priority, the leftmost first, until none can be joined.
#pragma once

#include <string_view>
#include <vector>

#include "text/joins.h"

namespace gemma {

/** Joins `symbols`, which are stretches of `text` side by side, in place. A short row is searched over and over, a long
 *  one keeps a heap: O(n log n). */
template <class Joins>
void merge(const Joins& joins, std::string_view text, std::vector<Symbol>& symbols);

extern template void merge(const MergeTable&, std::string_view, std::vector<Symbol>&);
extern template void merge(const ScoreTable&, std::string_view, std::vector<Symbol>&);

}  // namespace gemma
