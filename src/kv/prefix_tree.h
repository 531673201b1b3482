// SPDX-License-Identifier: Apache-2.0
// PrefixTree: the texts that the cache remembers. A node is a page of tokens and stands behind the page before it, so
// texts that begin alike share nodes, and with them pages, until they differ. It is looked through from its root, a
// page at a time, each compared in full.
//
// Layers that see everything need every page of a prefix; layers with a window the last of it only. Were these kept for
// all of a text, it would take several times the bytes. So they are kept before chosen *places*:
// nodes on whose page a text may be gone on from, at any token of it. A node counts how many places need its pages of
// each group; the count of places under a node is never 0, for what nobody can go on from is of no use.
//
// Places are given up one by one, the least lately used first, and with a place all that it alone has kept.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "kv/counted_pages.h"
#include "kv/page_pool.h"
#include "kv/prefix_key.h"

namespace gemma {

struct CachedSequence;
struct StoredNode;

struct PrefixNode {
  /** Its page in one group, and for how many places; without a window: -1 never. */
  struct Kept {
    int32_t page = -1, places = 0;
  };

  PrefixNode* parent = nullptr;    // null: a root, which stands for no tokens
  uint64_t salt = 0;               // of a root
  int32_t index = -1;              // of its page in the text
  std::vector<int32_t> tokens;     // a page's worth; fewer where the text ended there, and then no node is behind it
  std::vector<PrefixMedia> media;  // the runs that have rows in it, whole
  std::vector<Kept> groups;
  std::vector<PrefixNode*> children;
  bool place = false;
  int64_t last_use = 0;  // of the place
  std::list<PrefixNode>::iterator self;
};

class PrefixTree {
 public:
  /** All outlive it. */
  PrefixTree(const PageGroups& groups, int page_size, std::vector<CountedPages*> pools)
      : groups_(groups.groups), page_size_(page_size), pools_(std::move(pools)) {}

  struct Found {
    PrefixNode* node = nullptr;  // on whose page `length` is; null: none
    int length = 0;              // from which the text can be gone on with
    int familiar = 0;            // up to which its tokens are known; more where the windows' keys are not kept
  };
  /** For a text of which the last token is to be fed in any case. */
  Found find(const PrefixView& text) const;

  /** The pages of the group that a text goes on from, the last one first. */
  void for_pages(const Found& found, size_t group, FunctionRef<void(int32_t)> each) const;

  /** An empty sequence becomes the first found.length tokens of `text`, and found.node a place. */
  void take(const Found& found, const PrefixView& text, CachedSequence& sequence);

  /** Makes places of those of `places` (rising lengths) that `sequence`, which holds a prefix of `text`, has the keys
   *  for; those that are there already become fresh. The sequence changes to pages of the tree that hold the same. */
  void remember(const PrefixView& text, CachedSequence& sequence, std::span<const int64_t> places);

  /** The place used longest ago; null: there is none. */
  const PrefixNode* oldest() const { return by_age_.empty() ? nullptr : *by_age_.begin(); }
  /** Gives it up; false when there is none. */
  bool forget_oldest();
  int places() const { return static_cast<int>(by_age_.size()); }
  /** Gives up all places that need this page. */
  void forget_users(size_t group, int32_t page);

  // ---- from one tree to another of the same groups and page size (prefix_copy.cc) ----
  /** Makes a place of what `node` of `from` is. copy(group, page): a page of this tree's that holds what that one does,
   *  with a reference; -1: there is none, and then nothing changes and it is false. */
  bool copy_place(const PrefixTree& from, const PrefixNode& node, FunctionRef<int32_t(size_t, int32_t)> copy);
  /** How many pages of each group that would ask for. */
  std::vector<int64_t> missing(const PrefixTree& from, const PrefixNode& node) const;
  /** Up to the end of the node's page. */
  PrefixKey text_of(const PrefixNode& node) const;
  /** Places used after this time, the one used longest ago first. */
  std::vector<const PrefixNode*> places_since(int64_t time) const;
  int64_t time() const { return clock_; }  // of the last use
  /** The nodes, each behind its parent, roots left out. */
  std::vector<const PrefixNode*> nodes() const;
  /** Makes places of those of `nodes` (as read_index gives them) that all pages are there for; how many, of which one
   * may replace another that it begins with. */
  int64_t plant(std::span<const StoredNode> nodes);

  /** Bytes of the pages it refers to, whoever else does. */
  int64_t bytes() const;

  /** Pages of a group have new numbers. */
  void renumber(size_t group, std::span<const int32_t> moved);

 private:
  /** Of two of one age the one that is nearer to the beginning: a text is gone on with at its end. */
  struct Older {
    bool operator()(const PrefixNode* a, const PrefixNode* b) const;
  };

  int32_t begin_of(const PrefixNode& node) const { return node.index * page_size_; }
  int common(const PrefixNode& node, const PrefixView& text) const;
  /** The first page of the group that the row behind `length` tokens sees. */
  int32_t first_seen(size_t group, int32_t length) const;

  /** Whether the keys that rows on its page see are kept. `missing`: by group the last page before it that is not. */
  bool usable(const PrefixNode& node, std::span<const int32_t> missing) const;

  /** What it has of the pages that a text's last page as a place needs; -1: not that one. */
  CachedSequence pages_of(const PrefixKey& text) const;
  PrefixNode& root(uint64_t salt);
  PrefixNode& child(PrefixNode& parent, const PrefixView& text, const CachedSequence& sequence);
  PrefixNode& add_child(PrefixNode& parent, const PrefixView& text, const CachedSequence& sequence);
  void replace_parts(PrefixNode& whole, const PrefixView& text, const CachedSequence& sequence);
  void adopt(const PrefixNode& node, const PrefixView& text, CachedSequence& sequence);

  /** The page of the group that `node` has or could have from the sequence; -1: none. */
  int32_t page_of(const PrefixNode& node, size_t group, const CachedSequence& sequence) const;
  bool can_be_place(const PrefixNode& node, const CachedSequence& sequence) const;
  void make_place(PrefixNode& node, const CachedSequence& sequence);
  void give_up_place(PrefixNode& node);
  /** Removes nodes that lead to no place, from `node` towards the root. */
  void prune(PrefixNode* node);

  const std::vector<PageGroup>& groups_;
  const int page_size_;
  const std::vector<CountedPages*> pools_;
  std::list<PrefixNode> nodes_;
  std::map<uint64_t, PrefixNode*> roots_;  // by salt
  std::set<PrefixNode*, Older> by_age_;    // places
  int64_t clock_ = 0;
};

}  // namespace gemma
