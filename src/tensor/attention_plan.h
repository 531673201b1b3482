// SPDX-License-Identifier: Apache-2.0
// What an attention op needs to know of a cache: where the pages of each sequence are, where new rows go, and which
// keys each row sees. Made by kv::KvCache, read by Ops; plain data.
//
// Keys and values of a layer live in one pool tensor each: [pages, kv_heads, page_size, head_dim] of f32 or bf16, or
// coded pages as bytes, [pages, kv_heads, bytes] (kv_type.h). A sequence is a list of page numbers; key `i` of the
// sequence (its index, not its position id) is at slot i % page_size of the page with ordinal i / page_size. Pages that
// left a window are dropped from the front: `first_page` is the ordinal of pages[0].
//
// A plan refers to what others keep (page numbers, key_balance) until the cache changes; its own lists are filled anew
// for each layer, so that they are allocated once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/kv_type.h"
#include "tensor/tensor.h"

namespace gemma {

/** Keys begin <= index < end. Causal masks, windows and blocks that see themselves are all one such range. */
struct KeyRange {
  int32_t begin = 0, end = 0;
  bool operator==(const KeyRange&) const = default;
};

struct AttentionSegment {
  int64_t first_row = 0, rows = 0;  // rows of q that belong to this sequence, consecutive
  std::span<const int32_t> pages;   // page numbers in the pool
  int32_t first_page = 0;           // ordinal of pages[0] in the sequence
};

struct AttentionPlan {
  Tensor keys, values;                 // the pool
  KvTypes types;                       // of the pool
  std::span<const float> key_balance;  // of coded keys, one a place of the head: a key is stored divided by these, a
                                       // query multiplied by them, so that error goes where it counts least; may be
                                       // empty. Whoever makes the plan keeps them.
  int page_size = 0, kv_heads = 0, head_dim = 0;
  float scale = 1.0f;                      // of q . k
  std::vector<AttentionSegment> segments;  // cover all rows of q, in order
  std::vector<KeyRange> visible;           // one per row of q; never empty
  std::vector<int64_t> slots;              // one per row of k and v to write: page * page_size + slot; empty where the
                                           // layer shares an earlier layer's cache
};

}  // namespace gemma
