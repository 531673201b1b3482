// SPDX-License-Identifier: Apache-2.0
// The packed layout of weights: one for a product with one row and with many, the same on every instruction set, so
// that weights stream through the vector units as fast as memory gives them.
//
// A panel is 32 rows, block by block along k. A block holds 32 values of each row, as
//   codes    for each half of 16 rows: vector j of 64 bytes has, for every row, its values 4j .. 4j+3 in the low
//            nibbles and 16+4j .. 16+4j+3 in the high ones (j = 0..3); with 8-bit codes, values 4j .. 4j+3 (j = 0..7)
//   bits     5-bit codes: 64 bytes a half; bit j of byte i of a row is the fifth bit of value 4j + i.
//            6-bit codes: 128 bytes a half; bits 2j, 2j+1 of byte i of a row in the first 64 bytes belong to value
//            4j + i, in the second 64 bytes to value 16 + 4j + i
//   scales   32 f16, then 32 f16 minima where the type has them; types of super-blocks: 32 bytes for each group of
//            values that has its own scale, then as many bytes of minima
// and a super-block of 8 blocks begins with 32 f16 of d, then of dmin. A value is scale * (code - zero) + minimum, to
// the bit what unpack (tensor/pack.h) says. Missing rows of the last panel are worth zero.
//
// Where a panel meets many tiles, it is widened first: blocks of 8-bit codes (of codebooks: kCodebookBytes), f32 scales
// of 32 rows, with two groups d and the two integers of each row as a pair of 16 bits, then f32 minima for each group
// (WideBlock).
//
// bf16 weights: for each pair of values along k, the pairs of 32 rows one after another; an odd k is filled with zero.
// f16 weights: for each value along k, the values of 32 rows.
//
// Activations meet quantized weights as 8-bit integers with a scale for 32 values (ActivationBlock), bf16 ones rounded
// to bf16, f16 ones as f32. A tile of up to kTileRows rows lies block by block (pair by pair, value by value), row by
// row within; how blocks of a tile's rows are mixed is left to the table (Kernels::arrange).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/blocks.h"
#include "tensor/dtype.h"

namespace gemma::cpu {

inline constexpr int kPanelRows = 32;
/** Rows of activations that meet a panel together. As many as there are registers for sums: unpacking codes costs
 *  AVX-512 as much as two of the eight dot products of a block, which twelve rows share. */
inline constexpr int kTileRows = 12;
/** How far ahead weights are fetched, in bytes: to the first cache and, further ahead, to the second, so that the
 *  processor's own prefetcher knows the page by then. */
struct PrefetchDistance {
  int near, far;
};
/** Products with one row on Sapphire Rapids: 26.1 GB/s; 24.9 with 2 KiB to the first cache alone, 21.6 with nothing. */
inline constexpr PrefetchDistance kPrefetch{1024, 4096};
/** The same on Zen 5 with AVX-512: 81 GB/s, 72 with kPrefetch; with eight rows 51 and 43. */
inline constexpr PrefetchDistance kPrefetch512{3072, 8192};
/** Fetches the line that is so far behind `at`. */
template <PrefetchDistance distance>
[[gnu::always_inline]] inline void prefetch_ahead(const std::byte* at) {
  __builtin_prefetch(at + distance.near);
  __builtin_prefetch(at + distance.far, 0, 2);
}

struct PackedFormat {
  int bits = 0;           // of a code: 4, 5, 6 or 8; 0: the type is not packed in blocks
  int zero = 0;           // the code of the value zero
  bool codebook = false;  // code c means kIq4Values[c], which are used as unsigned bytes of zero 128
  bool super = false;     // scale = d * byte, minimum = -(dmin * byte)
  bool minimum = false;
  int groups = 1;  // scales for 32 values: one, or one for each half

  /** The largest number that a code stands for. */
  consteval int most() const { return codebook ? 255 : (1 << bits) - 1; }
  consteval int halves_bytes() const { return bits == 8 ? 1024 : 512; }  // of codes
  consteval int high_bytes() const { return bits == 8 ? 0 : (bits - 4) * 128; }
  consteval int scale_bytes() const { return super ? 32 * groups : 64; }
};

/** value = scale * q of a row's activations: x[32 b .. 32 b + 31] = scale * q. */
struct ActivationBlock {
  int8_t q[32];
  float scale;
  int32_t start;      // -8 (q[0] + ... + q[31]): where a sum of products with codes of zero 8, most often met, starts
  int16_t halves[2];  // -(q[0] + ... + q[15]), -(q[16] + ... + q[31])
  float scaled_sum;   // scale * (q[0] + ... + q[31])
};
static_assert(sizeof(ActivationBlock) == 48);

consteval std::array<PackedFormat, kDTypes> packed_formats() {
  std::array<PackedFormat, kDTypes> f{};
  const auto set = [&](DType type, PackedFormat format) { f[static_cast<size_t>(type)] = format; };
  set(DType::q8_0, {.bits = 8, .zero = 128});
  set(DType::q4_0, {.bits = 4, .zero = 8});
  set(DType::q4_1, {.bits = 4, .minimum = true});
  set(DType::q5_0, {.bits = 5, .zero = 16});
  set(DType::q5_1, {.bits = 5, .minimum = true});
  set(DType::q2_k, {.bits = 4, .super = true, .minimum = true, .groups = 2});
  set(DType::q3_k, {.bits = 4, .zero = 4, .super = true, .groups = 2});
  set(DType::q4_k, {.bits = 4, .super = true, .minimum = true});
  set(DType::q5_k, {.bits = 5, .super = true, .minimum = true});
  set(DType::q6_k, {.bits = 6, .zero = 32, .super = true, .groups = 2});
  set(DType::iq4_nl, {.bits = 4, .zero = 128, .codebook = true});
  set(DType::iq4_xs, {.bits = 4, .zero = 128, .codebook = true, .super = true});
  return f;
}
inline constexpr std::array<PackedFormat, kDTypes> kPackedFormats = packed_formats();

consteval std::array<uint8_t, 16> codebook_bytes() {
  std::array<uint8_t, 16> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(kIq4Values[i] + 128);
  return bytes;
}
/** What a code of a codebook means, as an unsigned byte of zero 128. */
alignas(16) inline constexpr std::array<uint8_t, 16> kCodebookBytes = codebook_bytes();

/** Where the parts of a block are, and how long it is. */
template <DType type>
struct PackedBlock {
  static constexpr PackedFormat kFormat = kPackedFormats[static_cast<size_t>(type)];
  static constexpr int kHalf = kFormat.halves_bytes() / 2;      // codes of 16 rows
  static constexpr int kHigh = kFormat.halves_bytes();          // offset of the high bits
  static constexpr int kHighHalf = kFormat.high_bytes() / 2;    // high bits of 16 rows
  static constexpr int kScales = kHigh + kFormat.high_bytes();  // offsets
  static constexpr int kMinima = kScales + kFormat.scale_bytes();
  static constexpr int kBytes = kMinima + (kFormat.minimum ? kFormat.scale_bytes() : 0);
  static constexpr int kBlocks = kFormat.super ? kSuperBlock / kBlock : 1;  // blocks that share a header
  static constexpr int kHeader = kFormat.super ? (kFormat.minimum ? 128 : 64) : 0;
  static constexpr int kUnit = kHeader + kBlocks * kBytes;  // header and its blocks
};

/** The same of a widened panel. */
template <DType type>
struct WideBlock {
  static constexpr PackedFormat kFormat = kPackedFormats[static_cast<size_t>(type)];
  static constexpr int kScales = 1024;
  static constexpr int kMinima = kScales + kFormat.groups * kPanelRows * 4;
  static constexpr int kBytes = kMinima + (kFormat.minimum ? kFormat.groups * kPanelRows * 4 : 0);
};
/** Room for a block of any type. */
inline constexpr int kWideBytes = WideBlock<DType::q2_k>::kBytes;

/** The first of the types whose products with widened panels are the same. */
consteval DType wide_type(DType type) {
  const PackedFormat& wanted = kPackedFormats[static_cast<size_t>(type)];
  size_t i = 0;
  while (true) {
    const PackedFormat& f = kPackedFormats[i];
    const bool alike = f.zero == wanted.zero && f.minimum == wanted.minimum && f.groups == wanted.groups;
    if (f.bits > 0 && alike && f.most() == wanted.most()) break;
    ++i;
  }
  return static_cast<DType>(i);
}

}  // namespace gemma::cpu
