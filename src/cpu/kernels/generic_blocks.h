// SPDX-License-Identifier: Apache-2.0
// How each block (tensor/blocks.h) becomes vectors of f32: `Block::walk<V>(block, use)` calls use(offset, values) for
// each kLanes values in rising order. unpack stores them, dot multiplies them with activations: one reading for both,
// so that both see the same values. All products d * scale * q are exact in f32 (11 + 8 + 5 bits at most), hence a
// fused multiply-add with a minimum rounds once, as unpack (tensor/pack.h) does. Every function here and in the other
// generic files is a template on V, so that each instruction set has its own copy.
#pragma once

#include <cstddef>
#include <cstring>

#include "cpu/kernels/simd.h"
#include "tensor/blocks.h"

namespace gemma::cpu {

/** The 16 low, then the 16 high nibbles of 16 bytes, as integers. */
template <class V, class Use>
inline void walk_nibbles(const uint8_t* qs, Use use) {
  for (int l = 0; l < 16; l += V::kLanes) use(l, V::both(V::u8(qs + l), V::set_int(15)));
  for (int l = 0; l < 16; l += V::kLanes) use(16 + l, V::shr(V::u8(qs + l), 4));
}

struct ReadQ8_0 {
  using Block = BlockQ8_0;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    const auto d = V::set(V::half(b.d));
    for (int l = 0; l < kBlock; l += V::kLanes) use(l, V::mul(V::to_float(V::s8(b.qs + l)), d));
  }
};

struct ReadQ4_0 {
  using Block = BlockQ4_0;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    const auto d = V::set(V::half(b.d));
    const auto eight = V::set_int(8);
    walk_nibbles<V>(b.qs, [&](int l, typename V::I q) { use(l, V::mul(V::to_float(V::minus(q, eight)), d)); });
  }
};

struct ReadQ4_1 {
  using Block = BlockQ4_1;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    const auto d = V::set(V::half(b.d)), m = V::set(V::half(b.m));
    walk_nibbles<V>(b.qs, [&](int l, typename V::I q) { use(l, V::fma(V::to_float(q), d, m)); });
  }
};

struct ReadQ5_0 {
  using Block = BlockQ5_0;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    const auto d = V::set(V::half(b.d));
    uint32_t high;
    std::memcpy(&high, b.qh, sizeof high);
    walk_nibbles<V>(b.qs, [&](int l, typename V::I q) {  // a clear fifth bit takes sixteen off
      use(l, V::mul(V::to_float(V::minus(q, V::set_where(~high >> l, 16))), d));
    });
  }
};

struct ReadQ5_1 {
  using Block = BlockQ5_1;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    const auto d = V::set(V::half(b.d)), m = V::set(V::half(b.m));
    uint32_t high;
    std::memcpy(&high, b.qh, sizeof high);
    walk_nibbles<V>(b.qs, [&](int l, typename V::I q) {
      use(l, V::fma(V::to_float(V::either(q, V::set_where(high >> l, 16))), d, m));
    });
  }
};

struct ReadIq4Nl {
  using Block = BlockIq4Nl;
  static constexpr int kValues = kBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    const auto d = V::set(V::half(b.d));
    const typename V::Table16 table(kIq4Floats);
    walk_nibbles<V>(b.qs, [&](int l, typename V::I q) { use(l, V::mul(table[q], d)); });
  }
  static constexpr float kIq4Floats[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
};

/** `count` unsigned bytes times `factor`; out has room for whole vectors. */
template <class V>
inline void scale_bytes(const uint8_t* bytes, int count, float factor, float* out) {
  for (int i = 0; i < count; i += V::kLanes) V::store(out + i, V::mul(V::to_float(V::u8(bytes + i)), V::set(factor)));
}

struct ReadQ2K {
  using Block = BlockQ2K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    uint8_t scale[16], minimum[16];
    for (int g = 0; g < 16; ++g) {
      scale[g] = b.scales[g] & 15;
      minimum[g] = b.scales[g] >> 4;
    }
    float d[16], m[16];
    scale_bytes<V>(scale, 16, V::half(b.d), d);
    scale_bytes<V>(minimum, 16, V::half(b.dmin), m);
    for (int k = 0; k < 2; ++k) {
      for (int j = 0; j < 4; ++j) {
        for (int l = 0; l < 32; l += V::kLanes) {
          const int g = 8 * k + 2 * j + l / 16;
          const auto q = V::both(V::shr(V::u8(b.qs + 32 * k + l), 2 * j), V::set_int(3));
          use(128 * k + 32 * j + l, V::fms(V::to_float(q), V::set(d[g]), V::set(m[g])));
        }
      }
    }
  }
};

struct ReadQ3K {
  using Block = BlockQ3K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    float d[16];
    scales<V>(b, V::half(b.d), d);
    for (int k = 0; k < 2; ++k) {
      for (int j = 0; j < 4; ++j) {
        for (int l = 0; l < 32; l += V::kLanes) {
          const auto low = V::both(V::shr(V::u8(b.qs + 32 * k + l), 2 * j), V::set_int(3));
          const auto high = V::shl(V::both(V::shr(V::u8(b.hmask + l), 4 * k + j), V::set_int(1)), 2);
          const auto q = V::minus(V::either(low, high), V::set_int(4));
          use(128 * k + 32 * j + l, V::mul(V::to_float(q), V::set(d[8 * k + 2 * j + l / 16])));
        }
      }
    }
  }
  template <class V>
  static void scales(const Block& b, float d, float* out) {
    for (int g = 0; g < 16; ++g) {
      const int low = g < 8 ? b.scales[g] & 15 : b.scales[g - 8] >> 4;
      const int high = (b.scales[8 + g % 4] >> (2 * (g / 4))) & 3;
      out[g] = d * static_cast<float>((low | high << 4) - 32);
    }
  }
};

/** d * scale and dmin * minimum of the eight groups of q4_k and q5_k; out has room for 16 each. */
template <class V, class Block>
inline void group_scales(const Block& b, float* d, float* m) {
  uint32_t word[3];
  std::memcpy(word, b.scales, sizeof word);
  const uint32_t scale[4] = {word[0] & 0x3f3f3f3fu, (word[2] & 0x0f0f0f0fu) | ((word[0] >> 2) & 0x30303030u)};
  const uint32_t minimum[4] = {word[1] & 0x3f3f3f3fu, ((word[2] >> 4) & 0x0f0f0f0fu) | ((word[1] >> 2) & 0x30303030u)};
  scale_bytes<V>(reinterpret_cast<const uint8_t*>(scale), 8, V::half(b.d), d);
  scale_bytes<V>(reinterpret_cast<const uint8_t*>(minimum), 8, V::half(b.dmin), m);
}

struct ReadQ4K {
  using Block = BlockQ4K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    float d[16], m[16];
    group_scales<V>(b, d, m);
    for (int j = 0; j < 4; ++j) {
      const uint8_t* qs = b.qs + 32 * j;
      const auto d0 = V::set(d[2 * j]), d1 = V::set(d[2 * j + 1]), m0 = V::set(m[2 * j]), m1 = V::set(m[2 * j + 1]);
      for (int l = 0; l < 32; l += V::kLanes) {
        use(64 * j + l, V::fms(V::to_float(V::both(V::u8(qs + l), V::set_int(15))), d0, m0));
      }
      for (int l = 0; l < 32; l += V::kLanes) {
        use(64 * j + 32 + l, V::fms(V::to_float(V::shr(V::u8(qs + l), 4)), d1, m1));
      }
    }
  }
};

struct ReadQ5K {
  using Block = BlockQ5K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    float d[16], m[16];
    group_scales<V>(b, d, m);
    for (int g = 0; g < 8; ++g) {
      for (int l = 0; l < 32; l += V::kLanes) {
        const auto byte = V::u8(b.qs + 32 * (g / 2) + l);
        const auto low = g % 2 == 0 ? V::both(byte, V::set_int(15)) : V::shr(byte, 4);
        const auto high = V::shl(V::both(V::shr(V::u8(b.qh + l), g), V::set_int(1)), 4);
        use(32 * g + l, V::fms(V::to_float(V::either(low, high)), V::set(d[g]), V::set(m[g])));
      }
    }
  }
};

struct ReadQ6K {
  using Block = BlockQ6K;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    float d[16];
    for (int i = 0; i < 16; i += V::kLanes) {
      V::store(d + i, V::mul(V::to_float(V::s8(b.scales + i)), V::set(V::half(b.d))));
    }
    for (int k = 0; k < 2; ++k) {
      for (int j = 0; j < 4; ++j) {
        for (int l = 0; l < 32; l += V::kLanes) {
          const auto byte = V::u8(b.ql + 64 * k + 32 * (j % 2) + l);
          const auto low = j < 2 ? V::both(byte, V::set_int(15)) : V::shr(byte, 4);
          const auto high = V::shl(V::both(V::shr(V::u8(b.qh + 32 * k + l), 2 * j), V::set_int(3)), 4);
          const auto q = V::minus(V::either(low, high), V::set_int(32));
          use(128 * k + 32 * j + l, V::mul(V::to_float(q), V::set(d[8 * k + 2 * j + l / 16])));
        }
      }
    }
  }
};

struct ReadIq4Xs {
  using Block = BlockIq4Xs;
  static constexpr int kValues = kSuperBlock;
  template <class V, class Use>
  static void walk(const Block& b, Use use) {
    const float d = V::half(b.d);
    const typename V::Table16 table(ReadIq4Nl::kIq4Floats);
    for (int g = 0; g < 8; ++g) {
      const int low = g % 2 == 0 ? b.scales_l[g / 2] & 15 : b.scales_l[g / 2] >> 4;
      const int high = (b.scales_h >> (2 * g)) & 3;
      const auto scale = V::set(d * static_cast<float>((low | high << 4) - 32));
      walk_nibbles<V>(b.qs + 16 * g, [&](int l, typename V::I q) { use(32 * g + l, V::mul(table[q], scale)); });
    }
  }
};

}  // namespace gemma::cpu
