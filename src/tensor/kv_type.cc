// SPDX-License-Identifier: Apache-2.0
#include "tensor/kv_type.h"

#include <array>
#include <cstddef>

#include "base/error.h"

namespace gemma {
namespace {

struct Info {
  std::string_view name;
  int bits;          // of a number or code
  int scale_values;  // values that share a scale; 0: a whole head
};

constexpr std::array<Info, kKvTypes> kInfo{{
    {"f32", 32, 0},
    {"bf16", 16, 0},
    {"kv8", 8, 64},
    {"tq4", 4, 0},
    {"tq3", 3, 0},
    {"tq2", 2, 0},
}};

const Info& info(KvType type) { return kInfo[static_cast<size_t>(type)]; }

std::optional<KvType> one_named(std::string_view name) {
  for (size_t i = 0; i < kInfo.size(); ++i) {
    if (kInfo[i].name == name) return static_cast<KvType>(i);
  }
  return std::nullopt;
}

std::string pair_name(KvTypes types) {
  const std::string keys(info(types.keys).name);
  return types.keys == types.values ? keys : keys + "/" + std::string(info(types.values).name);
}

/** What layers with a window have where nobody says: their cache does not grow, so few bits save nothing there. */
KvTypes windowed_with(KvTypes full) {
  const auto at_least_8 = [](KvType type) { return kv_bits(type) < 8 ? KvType::kv8 : type; };
  return {at_least_8(full.keys), at_least_8(full.values)};
}

std::optional<KvTypes> pair_named(std::string_view name) {
  const size_t slash = name.find('/');
  const std::optional<KvType> keys = one_named(name.substr(0, slash));
  const std::optional<KvType> values = slash == name.npos ? keys : one_named(name.substr(slash + 1));
  if (!keys || !values) return std::nullopt;
  return KvTypes{*keys, *values};
}

}  // namespace

std::string_view name_of(KvType type) { return info(type).name; }

std::string name_of(const CacheTypes& types) {
  const std::string full = pair_name(types.full);
  return types.windowed == windowed_with(types.full) ? full : full + "," + pair_name(types.windowed);
}

std::optional<CacheTypes> cache_types_named(std::string_view name) {
  const size_t comma = name.find(',');
  const std::optional<KvTypes> full = pair_named(name.substr(0, comma));
  const std::optional<KvTypes> windowed = comma == name.npos ? full : pair_named(name.substr(comma + 1));
  if (!full || !windowed) return std::nullopt;
  return CacheTypes{*full, comma == name.npos ? windowed_with(*full) : *windowed};
}

std::string kv_type_names() {
  std::string names;
  for (const Info& i : kInfo) names += (names.empty() ? "" : ", ") + std::string(i.name);
  return names;
}

bool fits_page(KvType type, int page_size) {
  return !is_coded(type) || (page_size % kKvBlock == 0 && page_size <= kKvMostPage);
}

DType stored_dtype(KvType type) {
  if (is_coded(type)) return DType::u8;
  return type == KvType::f32 ? DType::f32 : DType::bf16;
}

int kv_bits(KvType type) { return info(type).bits; }

int64_t kv_scales(KvType type, int64_t head_dim) {
  const int values = info(type).scale_values;
  return !is_coded(type) ? 0 : values == 0 ? 1 : (head_dim + values - 1) / values;
}

int64_t kv_page_bytes(KvType type, int64_t page_size, int64_t head_dim) {
  if (!is_coded(type)) return page_size * head_dim * (kv_bits(type) / 8);
  GEMMA_CHECK(fits_page(type, static_cast<int>(page_size)), "a page of whole blocks");
  const int64_t padded = (head_dim + kKvBlock - 1) / kKvBlock * kKvBlock;
  return page_size * (padded * kv_bits(type) / 8 + kv_scales(type, head_dim) * int64_t{sizeof(float)});
}

}  // namespace gemma
