// SPDX-License-Identifier: Apache-2.0
// PagePool: the pages of a group of layers. Layers whose keys live equally long and have the same shape go through
// their sequences in step, so one page number stands for the same `page_size` tokens in each of them: one list of pages
// a sequence and group, not one a layer.
//
// Pages are counted; what nobody refers to is free. The pool grows and shrinks as a whole, tensor by tensor, so that no
// more than one old tensor is alive beside the new ones; live pages may get new numbers then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "config/config.h"
#include "kv/counted_pages.h"
#include "tensor/attention_plan.h"
#include "tensor/kv_type.h"
#include "tensor/ops.h"

namespace gemma {

/** Layers that own a cache and keep the same keys. */
struct PageGroup {
  std::vector<int> layers;
  int window = 0;  // of the layer that looks back farthest, readers of a shared cache included; 0: all
  int kv_heads = 0, head_dim = 0;

  /** Bytes of one page of K or V of one layer. */
  int64_t tensor_page_bytes(KvType type, int page_size) const;
  /** The larger of the two. */
  int64_t tensor_page_bytes(KvTypes types, int page_size) const;
  /** Bytes of one page: K and V of all layers. */
  int64_t page_bytes(KvTypes types, int page_size) const;
  /** Most pages that a sequence of `tokens` tokens fed in steps of `step_rows` holds at once. */
  int64_t pages_for(int64_t tokens, int page_size, int step_rows) const;
};

/** The owning layers by (window, kv_heads, head_dim), in the order of their first layer. `group_of[layer]` is the group
 *  a layer reads, `slot_of[layer]` its place in the group's `layers` (of the layer it shares with, if it shares). */
struct PageGroups {
  std::vector<PageGroup> groups;
  std::vector<int> group_of, slot_of;
  static PageGroups of(const Config& config);
};

class PagePool final : public CountedPages {
 public:
  PagePool(const PageGroup& group, KvTypes types, int page_size, Ops& ops);

  KvTypes types() const { return types_; }
  int64_t tensor_page_bytes() const { return tensor_page_bytes_; }

  /** A page of its own with the same content, for the caller's reference to `page`. */
  int32_t make_private(int32_t page);

  /** The page's bytes, K and V of each layer; good for every pool of the same device, types and page size. */
  void read(int32_t page, std::span<std::byte> out) const;
  void write(int32_t page, std::span<const std::byte> bytes);

  /** capacity >= used(). Returns the new number of each old page, -1 for free ones. */
  std::vector<int32_t> resize(int capacity);

  const Tensor& keys(int slot) const { return tensors_[static_cast<size_t>(2 * slot)]; }
  const Tensor& values(int slot) const { return tensors_[static_cast<size_t>(2 * slot + 1)]; }

 private:
  KvType type_of(size_t tensor) const { return tensor % 2 == 0 ? types_.keys : types_.values; }
  Shape shape_of(KvType type, int capacity) const;

  Ops& ops_;
  KvTypes types_;
  int page_size_, kv_heads_, head_dim_;
  int64_t tensor_page_bytes_;
  std::vector<Tensor> tensors_;  // K, V of each layer; undefined while the capacity is 0
};

}  // namespace gemma
