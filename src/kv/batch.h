// SPDX-License-Identifier: Apache-2.0
// A step of work for the forward pass: prompt chunks and single tokens of many sequences, flat and ragged.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gemma {

using SeqId = int32_t;

/** Consecutive rows of a batch that continue one sequence. */
struct Segment {
  SeqId sequence = 0;
  int64_t first_row = 0, rows = 0;
};

/** Rows whose embedding comes from an encoder. A block whose rows must see one another is one span. */
struct MediaRows {
  int64_t first_row = 0, rows = 0;
  bool bidirectional = false;  // pictures and frames; sound is causal
  Tensor embedding;            // f32 [rows, dim]; replaces the token's embedding, not scaled
  uint64_t content = 0;        // hash of what it shows, by which prompts are found again; 0: never shared
};

struct Batch {
  std::vector<int32_t> tokens;     // one per row
  std::vector<int32_t> positions;  // position ids for RoPE, one per row
  std::vector<Segment> segments;   // cover all rows in order; a sequence at most once
  std::vector<MediaRows> media;    // never cut by the end of a batch
  std::vector<int32_t> wanted;     // rows whose final state is needed, rising
};

}  // namespace gemma
