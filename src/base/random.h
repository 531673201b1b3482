// SPDX-License-Identifier: Apache-2.0
// Random numbers as pure functions of a key: no hidden state, so the same key gives the same number whoever asks.
#pragma once

#include <cstdint>

namespace gemma {

/** The words of all (seed, a, b) for one seed and one a: what they share is mixed once. */
class KeyedBits {
 public:
  constexpr KeyedBits(uint64_t seed, uint64_t a) : shared_(mix(mix(seed + kGolden) ^ (a + kGolden))) {}
  /** A well-mixed 64-bit word. */
  constexpr uint64_t operator()(uint64_t b) const { return mix(shared_ ^ (b + kGolden)); }

 private:
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  static constexpr uint64_t mix(uint64_t x) {  // the finalizer of SplitMix64 (Steele, Lea, Flood 2014)
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  uint64_t shared_;
};

constexpr uint64_t keyed_bits(uint64_t seed, uint64_t a, uint64_t b = 0) { return KeyedBits(seed, a)(b); }

/** A word as a number of the open interval (0, 1): never 0 nor 1, so that log() of it, and of what it lacks to 1, is
 *  finite. 52 bits: with 53 the half would be rounded away, upwards to 1 at last. */
constexpr double open_uniform(uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52; }

constexpr double keyed_uniform(uint64_t seed, uint64_t a, uint64_t b = 0) {
  return open_uniform(keyed_bits(seed, a, b));
}

}  // namespace gemma
