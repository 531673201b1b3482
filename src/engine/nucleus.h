// SPDX-License-Identifier: Apache-2.0
// Nucleus sampling (top_p): the best tokens, as few as have the mass top_p together.
#pragma once

#include <cstddef>
#include <span>

#include "engine/scan.h"

namespace gemma {

/** How many of the candidates of a row stay, given best first, when no others count. */
size_t nucleus_size(std::span<const Scored> sorted, float temperature, float top_p);

/** The last candidate, in the order best first, that stays of a whole row. max: the largest of the scores, finite;
 *  -infinity is a score that weighs nothing. 0 < top_p < 1. */
Scored nucleus_end(std::span<const float> scores, float max, float temperature, float top_p);

}  // namespace gemma
