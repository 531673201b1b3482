// SPDX-License-Identifier: Apache-2.0
// PrefixStore: prefixes whose pages are files. A tree as that in memory, of the same groups and page size; places are
// copied from one to the other. It runs on the cache's thread.
//
//   HEX/index       prefix_index.h; written whole, synced and renamed
//   HEX/GROUP-PAGE  the bytes of a page (PagePool::read), and no more; their hash is in the index
//
// Pages are neither synced nor written aside: one that is not what the index says is found out when it is read, and the
// places that need it are gone. So a power cut costs what was written last, never a wrong answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kv/cache_folder.h"
#include "kv/counted_pages.h"
#include "kv/page_pool.h"
#include "kv/prefix_index.h"
#include "kv/prefix_tree.h"

namespace gemma {

class PrefixStore {
 public:
  /** Reads the index; what is wrong with it is said, and the rest is good. `groups` outlives it. */
  PrefixStore(const PageGroups& groups, PageForm form, std::shared_ptr<CacheFolder> folder);
  ~PrefixStore();

  PrefixTree& tree() { return tree_; }
  /** A page with these bytes and a reference; makes room by giving up places. -1: there is none, or the disk is full.
   */
  int32_t write(size_t group, std::span<const std::byte> bytes);
  /** False, and said once, when it is not what was written. */
  bool read(size_t group, int32_t page, std::span<std::byte> out);
  /** Makes it so for the next process. */
  void commit();
  /** Whether so many bytes could be written, were all else given up. */
  bool could_hold(int64_t bytes) const { return works_ && bytes < folder_->limit(); }
  int64_t bytes() const { return bytes_; }  // of its files

 private:
  class FilePages;
  void open();
  void claim(std::vector<StoredNode>& nodes);
  std::vector<StoredNode> nodes() const;
  std::string path_of(size_t group, int32_t page) const;
  void remove(size_t group, int32_t page);
  bool reserve(int64_t bytes);
  void give_back(int64_t bytes);
  void give_up(const std::string& why);

  struct Written {
    size_t group;
    int32_t page;
  };

  const PageForm form_;
  const std::shared_ptr<CacheFolder> folder_;
  const std::string path_;  // "": somebody else has it
  std::vector<std::unique_ptr<FilePages>> pages_;
  PrefixTree tree_;
  std::vector<Written> uncommitted_;
  int64_t bytes_ = 0, index_bytes_ = 0;
  bool works_ = true, damage_said_ = false;
};

}  // namespace gemma
