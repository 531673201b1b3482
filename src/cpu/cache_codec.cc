// SPDX-License-Identifier: Apache-2.0
#include "cpu/cache_codec.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace gemma::cpu {
namespace {

constexpr double kLeastNorm = 1e-30;  // a vector below this is zero
constexpr int kZero = 128;            // the byte of the level zero

CacheCodes kind_of(KvType type) {
  switch (kv_bits(type)) {
    case 8:
      return CacheCodes::bits8;
    case 4:
      return CacheCodes::bits4;
    case 3:
      return CacheCodes::bits3;
    default:
      return CacheCodes::bits2;
  }
}

/** Some bits of a byte. */
struct Field {
  int64_t byte;
  int shift, mask;
};

/** The code of value `i` of row `row` of a block, in one or two fields. */
struct Place {
  Field low, third;  // third: mask 0 where there is none

  Place(int bits, int64_t row, int64_t i) : third{0, 0, 0} {
    const int64_t half = row / 16, byte = row % 16 * 4 + i % 4;
    const int64_t j = i % 16 / 4, second = i / 16;
    switch (bits) {
      case 8:
        low = {half * 512 + i / 4 * 64 + byte, 0, 255};
        return;
      case 4:
        low = {half * 256 + j * 64 + byte, static_cast<int>(4 * second), 15};
        return;
      default:
        low = {half * 128 + second * 64 + byte, static_cast<int>(2 * j), 3};
    }
    if (bits == 3) third = {256 + half * 64 + byte, static_cast<int>(i / 4), 1};
  }
  void put(std::byte* block, int code) const {
    put(block, low, code & low.mask);
    if (third.mask != 0) put(block, third, code >> 2);
  }
  int get(const std::byte* block) const {
    const int code = get(block, low);
    return third.mask != 0 ? code | get(block, third) << 2 : code;
  }

 private:
  static void put(std::byte* block, const Field& f, int bits) {
    std::byte& b = block[f.byte];
    b = static_cast<std::byte>((static_cast<int>(b) & ~(f.mask << f.shift)) | bits << f.shift);
  }
  static int get(const std::byte* block, const Field& f) { return static_cast<int>(block[f.byte]) >> f.shift & f.mask; }
};

}  // namespace

CacheCodec::CacheCodec(KvType type, int64_t head_dim, const Kernels& kernels)
    : type_(type),
      dim_(head_dim),
      blocks_((head_dim + kBlock - 1) / kBlock),
      groups_(kv_scales(type, head_dim)),
      group_blocks_(groups_ == 1 ? blocks_ : 2),
      kind_(kind_of(type)),
      kernels_(kernels),
      rotation_(head_dim, kernels) {
  GEMMA_CHECK(is_coded(type), "a type with codes");
  if (type != KvType::kv8) levels_ = level_bytes(kv_bits(type), head_dim);
}

void CacheCodec::encode(const float* x, uint8_t* codes, float* scales, float* work) const {
  std::copy_n(x, dim_, work);
  rotation_.apply(work);
  if (type_ == KvType::kv8) {
    encode_integers(work, codes, scales);
  } else {
    encode_levels(work, codes, scales);
  }
}

void CacheCodec::encode_integers(const float* x, uint8_t* codes, float* scales) const {
  constexpr int64_t kGroup = 2 * kBlock;
  for (int64_t g = 0; g < groups_; ++g) {
    const int64_t first = g * kGroup;
    int8_t integers[kGroup];
    CacheQuery group;
    kernels_.cache_query(x + first, std::min(kGroup, dim_ - first), integers, kBlock, &group);
    for (int64_t i = first; i < std::min(first + kGroup, padded()); ++i) {
      codes[i] = static_cast<uint8_t>(integers[i - first] + kZero);
    }
    scales[g] = group.scale;
  }
}

void CacheCodec::encode_levels(float* x, uint8_t* codes, float* scales) const {
  double square = 0;
  for (int64_t i = 0; i < dim_; ++i) square += double{x[i]} * double{x[i]};
  const double norm = std::sqrt(square);
  std::fill_n(codes, padded(), uint8_t{0});
  if (!(norm >= kLeastNorm) || !(square <= std::numeric_limits<double>::max())) {
    scales[0] = norm < kLeastNorm ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    return;
  }
  kernels_.scale(x, static_cast<float>(1.0 / norm), dim_, x);
  kernels_.cache_codes(x, dim_, levels_.thresholds.data(), std::ssize(levels_.thresholds), codes);
  // The scale with which the stored vector's product with the true one is what it should be: codes alone are a little
  // short, and the part of a query that lies along the vector would be too small by as much.
  double along = 0;
  for (int64_t i = 0; i < dim_; ++i) along += double{x[i]} * (levels_.bytes[codes[i]] - kZero);
  scales[0] = static_cast<float>(norm / along);
}

void CacheCodec::put_key(std::byte* page, int64_t slot, const uint8_t* codes, const float* scales) const {
  const int bits = kv_bits(type_);
  std::byte* panel = page + slot / kPanelRows * key_panel_bytes();
  const int64_t row = slot % kPanelRows;
  for (int64_t b = 0; b < blocks_; ++b) {
    for (int64_t i = 0; i < kBlock; ++i) Place(bits, row, i).put(panel + b * block_bytes(), codes[b * kBlock + i]);
  }
  auto* to = reinterpret_cast<float*>(panel + blocks_ * block_bytes());
  for (int64_t g = 0; g < groups_; ++g) to[g * kPanelRows + row] = scales[g];
}

void CacheCodec::put_value(std::byte* page, int64_t page_size, int64_t slot, int64_t panel,
                           const uint8_t* codes) const {
  const int bits = kv_bits(type_);
  std::byte* block = page + (panel * (page_size / kBlock) + slot / kBlock) * block_bytes();
  for (int64_t row = 0; row < kPanelRows; ++row)
    Place(bits, row, slot % kBlock).put(block, codes[panel * kBlock + row]);
}

void CacheCodec::put_value_scales(std::byte* page, int64_t page_size, int64_t slot, const float* scales) const {
  auto* to = const_cast<float*>(value_scales(page, page_size, 0)) + slot;
  for (int64_t g = 0; g < groups_; ++g) to[g * page_size] = scales[g];
}

float CacheCodec::level(uint8_t code) const {
  return static_cast<float>((type_ == KvType::kv8 ? code : levels_.bytes[code]) - kZero);
}

void CacheCodec::get_key(const std::byte* page, int64_t slot, float* out) const {
  const std::byte* panel = key_panel(page, slot / kPanelRows);
  const auto* scales = reinterpret_cast<const float*>(panel + blocks_ * block_bytes());
  for (int64_t i = 0; i < dim_; ++i) {
    const int code = Place(kv_bits(type_), slot % kPanelRows, i % kBlock).get(panel + i / kBlock * block_bytes());
    const int64_t group = i / kBlock / group_blocks_;
    out[i] = level(static_cast<uint8_t>(code)) * scales[group * kPanelRows + slot % kPanelRows];
  }
  rotation_.undo(out);
}

void CacheCodec::get_value(const std::byte* page, int64_t page_size, int64_t slot, float* out) const {
  for (int64_t i = 0; i < dim_; ++i) {
    const std::byte* block = value_panel(page, page_size, i / kBlock) + slot / kBlock * block_bytes();
    const int code = Place(kv_bits(type_), i % kBlock, slot % kBlock).get(block);
    out[i] = level(static_cast<uint8_t>(code)) * value_scales(page, page_size, i / kBlock / group_blocks_)[slot];
  }
  rotation_.undo(out);
}

const CacheCodec* CacheCodecs::get(KvType type, int64_t head_dim) {
  if (!is_coded(type)) return nullptr;
  for (const auto& codec : made_) {
    if (codec->type() == type && codec->head_dim() == head_dim) return codec.get();
  }
  made_.push_back(std::make_unique<CacheCodec>(type, head_dim, kernels_));
  return made_.back().get();
}

}  // namespace gemma::cpu
