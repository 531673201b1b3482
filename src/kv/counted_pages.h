// SPDX-License-Identifier: Apache-2.0
// CountedPages: pages by number, and how many refer to each. A page that nobody refers to is free. Where the bytes of a
// page are is for others to say: in a tensor of the device (page_pool.h) or in a file (prefix_store.h).
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"

namespace gemma {

class CountedPages {
 public:
  explicit CountedPages(int64_t page_bytes) : page_bytes_(page_bytes) {}
  CountedPages(const CountedPages&) = default;
  virtual ~CountedPages() = default;

  int64_t page_bytes() const { return page_bytes_; }
  int capacity() const { return static_cast<int>(refs_.size()); }
  int used() const { return capacity() - static_cast<int>(free_.size()); }
  int refs(int32_t page) const { return refs_[static_cast<size_t>(page)]; }

  /** Refs 1; a page must be free. */
  int32_t take() {
    GEMMA_CHECK(!free_.empty(), "a page is free");
    const int32_t page = free_.back();
    free_.pop_back();
    refs_[static_cast<size_t>(page)] = 1;
    return page;
  }
  void share(int32_t page) {
    GEMMA_CHECK(refs(page) > 0, "only a live page is shared");
    ++refs_[static_cast<size_t>(page)];
  }
  /** Free when nobody refers to it any more. */
  void drop(int32_t page) {
    GEMMA_CHECK(refs(page) > 0, "only a live page is dropped");
    if (--refs_[static_cast<size_t>(page)] > 0) return;
    free_.push_back(page);
    freed(page);
  }

 protected:
  virtual void freed(int32_t /*page*/) {}

  int64_t page_bytes_;
  std::vector<int32_t> refs_;
  std::vector<int32_t> free_;  // taken from the back
};

}  // namespace gemma
