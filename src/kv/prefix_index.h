// SPDX-License-Identifier: Apache-2.0
// The index of what a folder keeps of prefixes: the nodes of a tree (prefix_tree.h) whose pages are files. Numbers lie
// as this machine has them; nobody else can use the pages either.
//
//   head     "gemma4kv", u32 version, u32 tokens of a page, u64 fingerprint[2], u32 groups, i64 bytes of a page of
//   each,
//            u32 nodes, u64 hash of all that
//   a node   u32 bytes, the node, u64 hash of it
//     i32 parent (a node before it, or -1), u64 salt, i64 age of a place (-1: it is none), u32 tokens, i32 tokens[],
//     u32 runs of media, of each i64 first, i64 rows, u64 bidirectional, u64 content,
//     for each group i32 page (-1: not kept), u64 hash of the page's bytes
//
// Hashes are keyed by the fingerprint, those of nodes by their number too. A node that is not what was written ends the
// file; what stands before it is good.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fingerprint.h"
#include "kv/prefix_key.h"

namespace gemma {

/** What pages are of: only those of the same can be used. */
struct PageForm {
  Fingerprint fingerprint;
  int page_size = 0;
  std::vector<int64_t> page_bytes;  // by group

  uint64_t hash(std::span<const std::byte> bytes, uint64_t number = 0) const;
};

struct StoredPage {
  int32_t page = -1;
  uint64_t hash = 0;
};

struct StoredNode {
  int32_t parent = -1;
  uint64_t salt = 0;
  int64_t age = -1;
  std::vector<int32_t> tokens;
  std::vector<PrefixMedia> media;
  std::vector<StoredPage> pages;
};

struct PrefixIndex {
  std::vector<StoredNode> nodes;
  std::string damage;  // "": none; else what, where and how much was lost
};

std::string write_index(const PageForm& form, std::span<const StoredNode> nodes);

/** Parents stand before their children and have a full page of tokens; runs of media are rising, apart and on their
 *  page; nothing is said of pages' numbers. */
PrefixIndex read_index(const PageForm& form, std::string_view bytes);

}  // namespace gemma
