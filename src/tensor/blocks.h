// SPDX-License-Identifier: Apache-2.0
// The bytes of a quantized block, one struct a type, as GGUF files hold them (little endian, no padding, no alignment:
// a block may start at any byte). This file is all that a kernel needs to know of a format; it has no functions, since
// kernel files are compiled with special flags. `unpack` (pack.h) is the definition of what a block means; the formulas
// here say the same in one line each, with d, m, dmin as f32 from their halves and products rounded in the order shown.
#pragma once

#include <cstdint>

namespace gemma {

inline constexpr int kBlock = 32;        // values in a small block
inline constexpr int kSuperBlock = 256;  // values in a super-block ("K" types and iq4_xs)

/** value i = d * qs[i]. */
struct [[gnu::packed]] BlockQ8_0 {
  uint16_t d;
  int8_t qs[32];
};

/** Low nibbles hold values 0..15, high nibbles 16..31 (the same in q4_1, q5_0, q5_1, iq4_nl). value = d * (q - 8). */
struct [[gnu::packed]] BlockQ4_0 {
  uint16_t d;
  uint8_t qs[16];
};

/** value = d * q + m. */
struct [[gnu::packed]] BlockQ4_1 {
  uint16_t d, m;
  uint8_t qs[16];
};

/** Bit i of the little-endian word qh is the fifth bit of value i. value = d * (q - 16). */
struct [[gnu::packed]] BlockQ5_0 {
  uint16_t d;
  uint8_t qh[4];
  uint8_t qs[16];
};

/** value = d * q + m. */
struct [[gnu::packed]] BlockQ5_1 {
  uint16_t d, m;
  uint8_t qh[4];
  uint8_t qs[16];
};

/** 16 groups of 16. Byte g of scales: scale in the low nibble, minimum in the high one. Each half of 128 values takes
 *  32 bytes of qs: value 32 j + l of the half has bits 2j, 2j + 1 of byte l. value = (d * scale) * q - dmin * min. */
struct [[gnu::packed]] BlockQ2K {
  uint8_t scales[16];
  uint8_t qs[64];
  uint16_t d, dmin;
};

/** 16 groups of 16, 6-bit scales. Two bits of q as in q2_k; bit j of hmask[l] belongs to value 32 j + l and *clear*
 * means minus four. Scale g: low four bits in the nibbles of scales[0..7] (low: g = 0..7, high: 8..15), high two bits
 * in scales[8 + g % 4] at bit 2 (g / 4). value = (d * (scale - 32)) * (q - (hmask bit ? 0 : 4)). */
struct [[gnu::packed]] BlockQ3K {
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];
  uint16_t d;
};

/** 8 groups of 32, 6-bit scales and minima. Groups 0..3: scale in the low six bits of scales[g], minimum in those of
 *  scales[4 + g]; groups 4..7: low four bits in the nibbles of scales[4 + g] (scale low, minimum high), high two bits
 * in the top of scales[g - 4] and scales[g]. Groups 2j, 2j + 1 are the low and high nibbles of qs[32 j ..]. value = (d
 * * scale) * q - dmin * min. */
struct [[gnu::packed]] BlockQ4K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t qs[128];
};

/** As q4_k, and bit g of qh[l] is the fifth bit of value l of group g. */
struct [[gnu::packed]] BlockQ5K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};

/** 16 groups of 16 with 8-bit scales. Each half of 128 values takes 64 bytes of ql and 32 of qh: value 32 j + l of the
 *  half has its low nibble in ql[32 (j % 2) + l] (low nibble for j < 2, high for j >= 2) and bits 4, 5 in qh[l] at 2j.
 *  value = (d * scale) * (q - 32). */
struct [[gnu::packed]] BlockQ6K {
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint16_t d;
};

/** What a nibble means in iq4_nl and iq4_xs. */
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/** value = d * kIq4Values[q]. */
struct [[gnu::packed]] BlockIq4Nl {
  uint16_t d;
  uint8_t qs[16];
};

/** 8 groups of 32 with 6-bit scales: low nibbles in scales_l (group 2j low, 2j + 1 high), high two bits in scales_h at
 *  2 g. Group g takes 16 bytes of qs, nibbles as in q4_0. value = (d * (scale - 32)) * kIq4Values[q]. */
struct [[gnu::packed]] BlockIq4Xs {
  uint16_t d;
  uint16_t scales_h;
  uint8_t scales_l[4];
  uint8_t qs[128];
};

static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ2K) == 84 && sizeof(BlockQ3K) == 110 && sizeof(BlockQ4K) == 144);
static_assert(sizeof(BlockQ5K) == 176 && sizeof(BlockQ6K) == 210);
static_assert(sizeof(BlockIq4Nl) == 18 && sizeof(BlockIq4Xs) == 136);

}  // namespace gemma
