// SPDX-License-Identifier: Apache-2.0
// What KvCache is made of; for its own files only (kv_cache.cc: sequences, plan.cc: what rows see, prefix.cc: reuse,
// stored_prefixes.cc: reuse from disk, room.cc: bytes).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "kv/kv_cache.h"
#include "kv/page_pool.h"
#include "kv/prefix_store.h"
#include "kv/prefix_tree.h"

namespace gemma {

/** Pages of a sequence in one group: page i holds tokens (first_page + i) * page_size and on. */
struct HeldPages {
  int32_t first_page = 0;
  std::vector<int32_t> pages;
  int32_t end_page() const { return first_page + static_cast<int32_t>(pages.size()); }
};

struct CachedSequence {
  int length = 0;
  std::vector<HeldPages> groups;
  std::vector<KeyRange> spans;  // bidirectional blocks, rising
};

struct KvCache::State {
  State(const Config& model_config, KvOptions kv_options, Ops& ops);

  const Config& config;
  const KvOptions options;
  int64_t byte_limit = options.byte_limit;  // as it is now; 0: none
  const PageGroups groups;
  std::vector<PagePool> pools;  // one a group; they stay where they are
  std::map<SeqId, CachedSequence> sequences;
  SeqId next_id = 1;
  PrefixTree remembered;
  std::unique_ptr<PrefixStore> store;  // null: none
  int64_t saved = 0;                   // time of `remembered` up to which the store has what was used
  std::vector<int64_t> needed;         // pages by group, of the step that is being reserved

  CachedSequence& at(SeqId id);
  const CachedSequence& at(SeqId id) const;

  CachedSequence share(const CachedSequence& from);
  void clear(CachedSequence& sequence);
  /** The longest length <= `length` at which the sequence can be taken up. */
  int keepable(const CachedSequence& sequence, int length) const;
  int truncate(CachedSequence& sequence, int length);
  /** Pages behind the window of the next row, and a page's worth more, go back. */
  void drop_left_of_window(CachedSequence& sequence);
  void drop_left_of_windows();

  /** Fills in what a plan says of a layer: all but who sees what. */
  void describe(int layer, AttentionPlan& plan) const;

  /** New pages that `rows` more rows need in `group`, copies of shared ones included. */
  int64_t pages_wanted(const CachedSequence& sequence, size_t group, int64_t rows) const;
  /** Takes them. */
  void extend(CachedSequence& sequence, size_t group, int64_t rows);

  /** Whether pools of these capacities keep the limit, also while one of their tensors is being replaced. */
  bool fits(const std::vector<int64_t>& capacities) const;
  /** Makes `needed[group]` pages free in every group; forgets what is remembered for it. */
  bool make_room();
  void resize(size_t group, int64_t capacity);

  /** Gives up the place used longest ago, false when there is none. What of it is not on disk yet is on its way there,
   *  where the writer has room for it. */
  bool forget_oldest();

  /** Of its pages, for the store. */
  PageForm form() const;
  /** Whether all of the place could be on disk, and, with `now`, be on its way there at once. */
  bool can_be_stored(const PrefixNode& place, bool now) const;
  /** Sends what of it is not there to the disk, until `interrupted`: then it is false. */
  bool store_place(const PrefixNode& place, FunctionRef<bool()> interrupted);
  void keep_to_most_places();
};

}  // namespace gemma
