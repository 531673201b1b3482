// SPDX-License-Identifier: Apache-2.0
// Random numbers as pure functions of a key: no hidden state, so the same key gives the same number whoever asks.
#pragma once

#include <cstdint>

namespace gemma {

/** A well-mixed 64-bit word of (seed, a, b). */
constexpr uint64_t keyed_bits(uint64_t seed, uint64_t a, uint64_t b = 0) {
  auto mix = [](uint64_t x) {  // the finalizer of SplitMix64 (Steele, Lea, Flood 2014)
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  };
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  return mix(mix(mix(seed + kGolden) ^ (a + kGolden)) ^ (b + kGolden));
}

/** Uniform in the open interval (0, 1): never 0, so that log() of it is finite. */
constexpr double keyed_uniform(uint64_t seed, uint64_t a, uint64_t b = 0) {
  return (static_cast<double>(keyed_bits(seed, a, b) >> 11) + 0.5) * 0x1p-53;
}

}  // namespace gemma
