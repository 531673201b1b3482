// SPDX-License-Identifier: Apache-2.0
// Conversions between f32 and the 16-bit floats, inline and without branches so that loops over them vectorise on the
// baseline instruction set. For files of this module and of cpu; others call the functions of pack.h.
#pragma once

#include <bit>
#include <cstdint>

namespace gemma::half {

inline float from_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/** Round to nearest even; a NaN keeps its upper payload and becomes quiet. */
inline uint16_t to_bf16(float value) {
  const uint32_t n = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (n + 0x7fffu + ((n >> 16) & 1u)) >> 16;
  const uint32_t nan = (n >> 16) | 0x40u;
  return static_cast<uint16_t>((n & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

/** A NaN keeps its payload, quiet or signalling. */
inline float from_f16(uint16_t bits) {
  const uint32_t magnitude = bits & 0x7fffu;
  const uint32_t shifted = magnitude << 13;
  // A denormal half is m * 2^-24: with the exponent of 2^-14 it reads 2^-14 + m * 2^-24, and the difference is exact.
  const uint32_t denormal = std::bit_cast<uint32_t>(std::bit_cast<float>(shifted + 0x38800000u) - 0x1p-14f);
  const uint32_t normal = shifted + 0x38000000u;  // exponent bias 15 -> 127
  const uint32_t special = shifted | 0x7f800000u;
  const uint32_t finite = magnitude < 0x400u ? denormal : normal;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  return std::bit_cast<float>(sign | (magnitude >= 0x7c00u ? special : finite));
}

/** Round to nearest even; beyond 65520 infinite; a NaN becomes a quiet NaN. */
inline uint16_t to_f16(float value) {
  const uint32_t n = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = n & 0x7fffffffu;
  // Below 2^-14 halves are multiples of 2^-24, which is the last bit of numbers in [0.5, 1): the addition rounds.
  const uint32_t denormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t finite = magnitude < 0x38800000u ? denormal : normal;
  const uint32_t bounded = magnitude >= 0x47800000u ? 0x7c00u : finite;
  const uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  return static_cast<uint16_t>(((n >> 16) & 0x8000u) | (magnitude > 0x7f800000u ? nan : bounded));
}

}  // namespace gemma::half
