// SPDX-License-Identifier: Apache-2.0
// Where a prompt is likely to be gone on from by another one (kv/prefix_tree.h). Each such place keeps the pages of a
// window, so they are few.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/config.h"
#include "kv/prefix_key.h"

namespace gemma {

/** Tokens from one place to the next in a long text, whatever it says. */
int64_t place_spacing(const Config& config);

/** Rising lengths of the prompt, none inside a block: its end; what is before its last words, which are edited; the
 * ends of its first turn (what the system says to all) and of its last ones, and of its last pictures and sounds; and
 * one every so often. `turn_ends`: ids that end a turn. */
std::vector<int64_t> places_of(std::span<const int32_t> prompt, std::span<const PrefixMedia> media,
                               std::span<const int32_t> turn_ends, int64_t spacing);

/** Adds a place where it belongs. */
void add_place(std::vector<int64_t>& places, int64_t place);

}  // namespace gemma
