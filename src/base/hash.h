// SPDX-License-Identifier: Apache-2.0
// A 64-bit hash of bytes, the same everywhere and always: for finding again what was seen before, not for secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gemma {

/** `seed`: a hash of what comes before, so that pieces are hashed one after another. */
inline uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0) {
  constexpr uint64_t kOdd = 0x9fb21c651e98df25ULL;
  uint64_t hash = seed * kOdd;
  const auto take = [&hash](uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 29;
  };
  take(bytes.size());
  size_t at = 0;
  for (uint64_t word = 0; at + sizeof word <= bytes.size(); at += sizeof word) {
    std::memcpy(&word, bytes.data() + at, sizeof word);
    take(word);
  }
  uint64_t rest = 0;
  if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
  take(rest);
  hash *= kOdd;
  return hash ^ (hash >> 32);
}

}  // namespace gemma
