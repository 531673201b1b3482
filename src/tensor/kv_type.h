// SPDX-License-Identifier: Apache-2.0
// What keys and values are kept as. f32 and bf16 are plain numbers, [page, kv_head, slot, head_dim]. The coded types
// are codes with scales apart, in an order that a device chooses; how many bytes that takes is said here, for
// everybody. A key or value of a head is rotated at random first, so that its values are alike:
//
//   kv8             8-bit integers, a scale for each 64 values
//   tq4, tq3, tq2   each value is one of 16, 8 or 4 levels (TurboQuant: Lloyd-Max for the density of a random unit
//                   vector's coordinate), with one scale, about the norm
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace gemma {

enum class KvType : uint8_t { f32, bf16, kv8, tq4, tq3, tq2 };
inline constexpr int kKvTypes = static_cast<int>(KvType::tq2) + 1;

/** Codes with scales: pages of whole blocks of 32 tokens, at most 256. */
inline bool is_coded(KvType type) { return type >= KvType::kv8; }

/** Of one layer. */
struct KvTypes {
  KvType keys = KvType::bf16, values = KvType::bf16;
  bool operator==(const KvTypes&) const = default;
};

/** Of a whole cache: of layers that see all keys, and of those with a window. */
struct CacheTypes {
  KvTypes full, windowed;
  bool operator==(const CacheTypes&) const = default;
};

/** Whether keys of any layer are coded. */
inline bool has_coded_keys(const CacheTypes& types) {
  return is_coded(types.full.keys) || is_coded(types.windowed.keys);
}

std::string_view name_of(KvType type);
/** "tq4", "tq3/tq4" (keys and values), "tq4,bf16" (layers with a window apart), "tq3/tq4,kv8". */
std::string name_of(const CacheTypes& types);
/** The same read; without a comma, layers with a window have the same types, but kv8 at least. */
std::optional<CacheTypes> cache_types_named(std::string_view name);
/** "f32, bf16, ...", for messages. */
std::string kv_type_names();

inline constexpr int kKvBlock = 32;      // tokens, and values along a head: coded pages have whole blocks of both
inline constexpr int kKvMostPage = 256;  // tokens of a coded page
bool fits_page(KvType type, int page_size);

/** What a pool of this type holds: numbers, or the bytes of coded pages. */
DType stored_dtype(KvType type);

/** Bits of a code. */
int kv_bits(KvType type);
/** Scales of one key or value of a head. */
int64_t kv_scales(KvType type, int64_t head_dim);
/** Bytes of the keys (or values) of one page and one head. */
int64_t kv_page_bytes(KvType type, int64_t page_size, int64_t head_dim);

}  // namespace gemma
