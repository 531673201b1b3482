// SPDX-License-Identifier: Apache-2.0
#include "base/keyed_hash.h"

#include <bit>
#include <cstring>
#include <random>

namespace gemma {
namespace {

struct SipState {
  explicit SipState(const HashKey& key)
      : v0(key[0] ^ 0x736f6d6570736575ULL),
        v1(key[1] ^ 0x646f72616e646f6dULL),
        v2(key[0] ^ 0x6c7967656e657261ULL),
        v3(key[1] ^ 0x7465646279746573ULL) {}

  void round() {
    v0 += v1, v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0, v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1, v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2, v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void take(uint64_t word) {
    v3 ^= word;
    round(), round();
    v0 ^= word;
  }
  uint64_t finish() {
    v2 ^= 0xff;
    round(), round(), round(), round();
    return v0 ^ v1 ^ v2 ^ v3;
  }

  uint64_t v0, v1, v2, v3;
};

HashKey& own_key() {
  static HashKey key = [] {
    std::random_device device;
    const auto draw = [&device] { return uint64_t{device()} << 32 | device(); };
    const uint64_t first = draw();
    return HashKey{first, draw()};
  }();
  return key;
}

}  // namespace

const HashKey& process_hash_key() { return own_key(); }

void use_hash_key(const HashKey& key) { own_key() = key; }

uint64_t keyed_hash(std::span<const std::byte> bytes, const HashKey& key) {
  SipState state(key);
  size_t at = 0;
  for (uint64_t word = 0; at + sizeof word <= bytes.size(); at += sizeof word) {
    std::memcpy(&word, bytes.data() + at, sizeof word);
    state.take(word);
  }
  uint64_t last = 0;
  if (at < bytes.size()) std::memcpy(&last, bytes.data() + at, bytes.size() - at);
  state.take(last | static_cast<uint64_t>(bytes.size() & 0xff) << 56);
  return state.finish();
}

}  // namespace gemma
