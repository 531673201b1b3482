// SPDX-License-Identifier: Apache-2.0
// Passes over one row of logits (262 144 of them), written so that a compiler turns them into vector code: fixed lanes,
// no calls, no early exits inside a block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

struct Scored {
  int32_t id = 0;
  float score = 0;
  /** Best first: by falling score, among equals by rising id. */
  bool before(const Scored& other) const { return score > other.score || (score == other.score && id < other.id); }
};

/** Rows are looked through in blocks of so many, many of which need no closer look. */
constexpr size_t kScanBlock = 64;
inline std::span<const float> block_at(std::span<const float> row, size_t first) {
  return row.subspan(first, std::min(kScanBlock, row.size() - first));
}

/** The largest value of a block, none of which is NaN; -infinity for an empty one. */
float peak(std::span<const float> block);

/** The largest value, -infinity for an empty row; NaN when a value is NaN or +infinity. */
float largest(std::span<const float> values);

/** sum(exp((value - shift) * factor)) for values <= shift, factor > 0; relative error below 1e-6. `shift` finite. */
double sum_of_exp(std::span<const float> values, float shift, float factor);

/** out[i] = exp((value - shift) * factor) for a block; returns the sum of all. */
float exp_into(std::span<const float> block, float shift, float factor, std::span<float, kScanBlock> out);

/** The k best (fewer when there are fewer above -infinity), best first, in place of what `out` held. */
void best(std::span<const float> values, int k, std::vector<Scored>& out);

}  // namespace gemma
