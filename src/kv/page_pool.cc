// SPDX-License-Identifier: Apache-2.0
#include "kv/page_pool.h"

#include <algorithm>

namespace gemma {

int64_t PageGroup::tensor_page_bytes(KvType type, int page_size) const {
  return kv_heads * kv_page_bytes(type, page_size, head_dim);
}

int64_t PageGroup::tensor_page_bytes(KvTypes types, int page_size) const {
  return std::max(tensor_page_bytes(types.keys, page_size), tensor_page_bytes(types.values, page_size));
}

int64_t PageGroup::page_bytes(KvTypes types, int page_size) const {
  return static_cast<int64_t>(layers.size()) *
         (tensor_page_bytes(types.keys, page_size) + tensor_page_bytes(types.values, page_size));
}

int64_t PageGroup::pages_for(int64_t tokens, int page_size, int step_rows) const {
  int64_t keys = tokens;
  // The window, a page's worth kept behind it (KvCache::commit), the rows of a step, and a page begun at either end.
  if (window > 0) keys = std::min<int64_t>(keys, int64_t{window} + 3 * page_size + step_rows);
  return (keys + page_size - 1) / page_size;
}

PageGroups PageGroups::of(const Config& config) {
  const size_t n = config.layers.size();
  std::vector<int> reach(n);  // window that the cache of a layer must serve
  for (size_t i = 0; i < n; ++i) reach[i] = config.layers[i].window;
  for (const LayerConfig& layer : config.layers) {
    int& window = reach[static_cast<size_t>(layer.kv_source)];
    window = window == 0 || layer.window == 0 ? 0 : std::max(window, layer.window);
  }
  PageGroups result;
  result.group_of.resize(n);
  result.slot_of.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const LayerConfig& layer = config.layers[i];
    const auto source = static_cast<size_t>(layer.kv_source);
    GEMMA_CHECK(source <= i, "a cache is shared with a later layer only");
    if (source != i) {
      result.group_of[i] = result.group_of[source];
      result.slot_of[i] = result.slot_of[source];
      continue;
    }
    auto group = std::find_if(result.groups.begin(), result.groups.end(), [&](const PageGroup& g) {
      return g.window == reach[i] && g.kv_heads == layer.kv_heads && g.head_dim == layer.head_dim;
    });
    if (group == result.groups.end()) {
      group = result.groups.insert(group, PageGroup{{}, reach[i], layer.kv_heads, layer.head_dim});
    }
    result.group_of[i] = static_cast<int>(group - result.groups.begin());
    result.slot_of[i] = static_cast<int>(group->layers.size());
    group->layers.push_back(static_cast<int>(i));
  }
  return result;
}

PagePool::PagePool(const PageGroup& group, KvTypes types, int page_size, Ops& ops)
    : CountedPages(group.page_bytes(types, page_size)),
      ops_(ops),
      types_(types),
      page_size_(page_size),
      kv_heads_(group.kv_heads),
      head_dim_(group.head_dim),
      tensor_page_bytes_(group.tensor_page_bytes(types, page_size)),
      tensors_(2 * group.layers.size()) {}

int32_t PagePool::make_private(int32_t page) {
  if (refs(page) == 1) return page;
  const int32_t copy = take();
  for (const Tensor& tensor : tensors_) ops_.copy_pages(tensor, std::span(&page, 1), tensor, std::span(&copy, 1));
  drop(page);
  return copy;
}

Shape PagePool::shape_of(KvType type, int capacity) const {
  if (!is_coded(type)) return {capacity, kv_heads_, page_size_, head_dim_};
  return {capacity, kv_heads_, kv_page_bytes(type, page_size_, head_dim_)};
}

void PagePool::read(int32_t page, std::span<std::byte> out) const {
  GEMMA_CHECK(static_cast<int64_t>(out.size()) == page_bytes(), "room for a page");
  const int32_t first = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor part = ops_.allocate(stored_dtype(type_of(i)), shape_of(type_of(i), 1));
    ops_.copy_pages(tensors_[i], std::span(&page, 1), part, std::span(&first, 1));
    ops_.read(part, out.first(static_cast<size_t>(part.bytes())));
    out = out.subspan(static_cast<size_t>(part.bytes()));
  }
}

void PagePool::write(int32_t page, std::span<const std::byte> bytes) {
  GEMMA_CHECK(static_cast<int64_t>(bytes.size()) == page_bytes(), "a page's bytes");
  const int32_t first = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const auto size = static_cast<size_t>(tensors_[i].bytes() / capacity());
    const Tensor part = ops_.upload(stored_dtype(type_of(i)), shape_of(type_of(i), 1), bytes.first(size));
    ops_.copy_pages(part, std::span(&first, 1), tensors_[i], std::span(&page, 1));
    bytes = bytes.subspan(size);
  }
}

std::vector<int32_t> PagePool::resize(int capacity) {
  GEMMA_CHECK(capacity >= used(), "live pages stay");
  std::vector<int32_t> moved(refs_.size(), -1), live, places, refs;
  for (size_t page = 0; page < refs_.size(); ++page) {
    if (refs_[page] == 0) continue;
    moved[page] = static_cast<int32_t>(live.size());
    places.push_back(moved[page]);
    live.push_back(static_cast<int32_t>(page));
    refs.push_back(refs_[page]);
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    Tensor& tensor = tensors_[i];
    if (live.empty()) tensor = {};  // nothing to carry over: the old bytes go first
    if (capacity == 0) continue;
    const Tensor fresh = ops_.allocate(stored_dtype(type_of(i)), shape_of(type_of(i), capacity));
    if (!live.empty()) ops_.copy_pages(tensor, live, fresh, places);
    tensor = fresh;
  }
  refs_ = std::move(refs);
  refs_.resize(static_cast<size_t>(capacity), 0);
  free_.clear();
  for (int32_t page = capacity - 1; page >= 0 && refs_[static_cast<size_t>(page)] == 0; --page) free_.push_back(page);
  return moved;
}

}  // namespace gemma
