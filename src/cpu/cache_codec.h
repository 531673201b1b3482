// SPDX-License-Identifier: Apache-2.0
// Keys and values of one head size as codes: from f32 to codes and scales, and to their places in a page
// (kernels/packed_cache.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/kernels/kernels.h"
#include "cpu/lloyd_max.h"
#include "cpu/rotation.h"
#include "tensor/kv_type.h"

namespace gemma::cpu {

class CacheCodec {
 public:
  CacheCodec(KvType type, int64_t head_dim, const Kernels& kernels);

  KvType type() const { return type_; }
  int64_t head_dim() const { return dim_; }
  CacheCodes kind() const { return kind_; }
  int64_t padded() const { return blocks_ * kBlock; }  // head_dim up to whole blocks
  int64_t blocks() const { return blocks_; }           // along the head
  int64_t groups() const { return groups_; }           // scales of a key or value
  int64_t group_blocks() const { return group_blocks_; }
  const uint8_t* levels() const { return levels_.bytes.data(); }
  const Rotation& rotation() const { return rotation_; }

  /** The codes [padded] and scales [groups] of head_dim values. Not finite: scales of NaN, so that whoever sees the key
   * or value becomes NaN, and nobody else. `work`: head_dim floats. */
  void encode(const float* x, uint8_t* codes, float* scales, float* work) const;

  int64_t block_bytes() const { return int64_t{128} * kv_bits(type_); }
  const std::byte* key_panel(const std::byte* page, int64_t panel) const { return page + panel * key_panel_bytes(); }
  const std::byte* value_panel(const std::byte* page, int64_t page_size, int64_t panel) const {
    return page + panel * (page_size / kBlock) * block_bytes();
  }
  const float* value_scales(const std::byte* page, int64_t page_size, int64_t group) const {
    return reinterpret_cast<const float*>(page + blocks_ * (page_size / kBlock) * block_bytes()) + group * page_size;
  }

  void put_key(std::byte* page, int64_t slot, const uint8_t* codes, const float* scales) const;
  /** The places of one panel of 32 alone: panels share no byte. */
  void put_value(std::byte* page, int64_t page_size, int64_t slot, int64_t panel, const uint8_t* codes) const;
  void put_value_scales(std::byte* page, int64_t page_size, int64_t slot, const float* scales) const;

  /** What is stored, as attention takes it: rotated back. */
  void get_key(const std::byte* page, int64_t slot, float* out) const;
  void get_value(const std::byte* page, int64_t page_size, int64_t slot, float* out) const;

 private:
  int64_t key_panel_bytes() const {
    return blocks_ * block_bytes() + groups_ * kPanelRows * static_cast<int64_t>(sizeof(float));
  }
  void encode_integers(const float* x, uint8_t* codes, float* scales) const;
  void encode_levels(float* x, uint8_t* codes, float* scales) const;
  float level(uint8_t code) const;

  KvType type_;
  int64_t dim_, blocks_, groups_, group_blocks_;
  CacheCodes kind_;
  const Kernels& kernels_;
  LevelBytes levels_;
  Rotation rotation_;
};

/** The codecs of one device, made when first asked for. */
class CacheCodecs {
 public:
  explicit CacheCodecs(const Kernels& kernels) : kernels_(kernels) {}
  /** Null for types without codes. */
  const CacheCodec* get(KvType type, int64_t head_dim);

 private:
  const Kernels& kernels_;
  std::vector<std::unique_ptr<CacheCodec>> made_;
};

}  // namespace gemma::cpu
