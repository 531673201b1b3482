// SPDX-License-Identifier: Apache-2.0
// How coded keys and values (tensor/kv_type.h) lie in a page, so that attention reads them as they are.
//
// A panel is 32 rows and a block 32 values of each, like those of weights (packed.h). A block's codes:
//   8 bits   1024 bytes: for each half of 16 rows, vector j of 64 bytes has, for every row, its values 4j .. 4j+3
//   4 bits   512 bytes: the same with 16+4j .. 16+4j+3 in the high nibbles (j = 0..3)
//   2 bits   256 bytes: for each half of the rows a vector for either half of the values: bits 2j, 2j+1 of byte i of a
//   row
//            belong to value 4j + i (16 + 4j + i in the second)
//   3 bits   the lower two like that, then for each half of the rows one vector: bit j of byte i belongs to value 4j +
//   i
// 8-bit codes are the value + 128; the others choose one of up to 16 levels, which are bytes of zero 128 as well.
//
// Keys of a page and head: for each 32 tokens a panel whose rows are tokens, blocks along the head, and behind them the
// scales of these 32, group by group of values that share one. Values: for each 32 places of the head a panel whose
// rows are places, blocks along the tokens; behind all panels the scales of all tokens, group by group.
//
// A query becomes 8-bit integers with a scale for each group, the weights of a softmax (each times the scale of its
// value) integers up to kMostWeight of two digits in base 255, so that what is not coded loses nothing. Products are
// exact 32-bit integers, and the floats they become are joined by one fused multiply-add: all instruction sets give the
// same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma::cpu {

enum class CacheCodes : uint8_t { bits8, bits4, bits3, bits2 };
inline constexpr int kCacheCodes = 4;

template <CacheCodes codes>
struct CacheBlock {
  static constexpr int kBits = codes == CacheCodes::bits8   ? 8
                               : codes == CacheCodes::bits4 ? 4
                               : codes == CacheCodes::bits3 ? 3
                                                            : 2;
  static constexpr int kHalf = kBits == 8 ? 512 : kBits == 4 ? 256 : 128;  // codes of 16 rows, the third bit apart
  static constexpr int kThird = 2 * kHalf;                                 // where the third bits are
  static constexpr int kBytes = 128 * kBits;
};

inline constexpr int kCacheRows = 8;  // queries that a kernel takes at once

/** What a query's integers are in one group: value = scale * q. */
struct CacheQuery {
  float scale;
  int32_t minus_sum;
};

inline constexpr int kDigitBase = 255;  // the lower digit is -127 .. 127
inline constexpr int kMostWeight = 127 * kDigitBase + 127;
/** Weights whose largest is below this are zero: kMostWeight / largest must be finite. */
inline constexpr float kLeastWeight = 1e-33f;

/** The weights of a page for one query in one group, weight = scale * (255 high + low); and what the sum before this
 *  page is multiplied by. */
struct CacheWeights {
  float correction, scale;
  int32_t minus_sum;
};

}  // namespace gemma::cpu
