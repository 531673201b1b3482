// SPDX-License-Identifier: Apache-2.0
// PrefixStore: prefixes whose pages are files. A tree as that in memory, of the same groups and page size; places are
// copied from one to the other. It runs on the cache's thread, and leaves what takes time to a writer, by which files
// change in the order in which that was decided here.
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

#include "base/clock.h"
#include "base/file_writer.h"
#include "kv/cache_folder.h"
#include "kv/counted_pages.h"
#include "kv/page_pool.h"
#include "kv/prefix_index.h"
#include "kv/prefix_tree.h"

namespace gemma {

class PrefixStore {
 public:
  /** Bytes that wait to be written, at most a page more. */
  static constexpr int64_t kMostWaiting = int64_t{64} << 20;
  /** Reads the index; what is wrong with it is said, and the rest is good. `groups` outlives it. */
  PrefixStore(const PageGroups& groups, PageForm form, std::shared_ptr<CacheFolder> folder);
  ~PrefixStore();

  PrefixTree& tree() { return tree_; }
  /** A page with these bytes and a reference; makes room by giving up places. -1: there is none, or the disk is full.
   *  It will be written. */
  int32_t write(size_t group, std::vector<std::byte> bytes);
  /** False, and said once, when it is not what was written. */
  bool read(size_t group, int32_t page, std::span<std::byte> out);
  /** Makes it so for the next process, once that is written; nothing while an index is on its way. */
  void commit();
  /** The same, where the last time is a while ago. */
  void commit_seldom();
  /** Whether an index is on its way. */
  bool commits();
  /** Whether the index, on disk or on its way, does not know of all pages, or knows of some that are gone. */
  bool index_is_old() const { return works_ && index_is_old_; }
  /** Whether so many bytes could be written, were all else given up. */
  bool could_hold(int64_t bytes);
  FileWriter& writer() { return writer_; }
  /** Of its files, when all is done that was told to the writer. */
  int64_t bytes();

 private:
  class FilePages;
  void open();
  void claim(std::vector<StoredNode>& nodes);
  std::vector<StoredNode> nodes() const;
  std::string path_of(size_t group, int32_t page) const;
  void remove(size_t group, int32_t page);
  bool reserve(int64_t bytes);
  void give_back(int64_t bytes);
  /** False when nothing more can be kept; then what no index on disk knows of is given up. */
  bool works();
  /** Takes note of an index that is written by now. */
  void settle();

  struct Written {
    size_t group;
    int32_t page;
  };
  struct Index {  // on its way
    int64_t job = 0, bytes = 0;
    size_t pages = 0;  // so many of fresh_ are in it
  };

  const PageForm form_;
  const std::shared_ptr<CacheFolder> folder_;
  const std::string path_;  // "": somebody else has it
  FileWriter writer_;
  std::vector<std::unique_ptr<FilePages>> pages_;
  PrefixTree tree_;
  std::vector<Written> fresh_;  // not in the index that is on disk
  Index coming_;
  Clock::time_point indexed_ = Clock::now();
  int64_t bytes_ = 0, index_bytes_ = 0;
  bool works_ = true, damage_said_ = false, index_is_old_ = false;
};

}  // namespace gemma
