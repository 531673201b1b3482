// SPDX-License-Identifier: Apache-2.0
// What each block means (blocks.h has the formulas). The order of roundings is that of the reference reader; inner
// loops have fixed lengths and no branches, so that they vectorise.
#include <cstring>

#include "base/error.h"
#include "tensor/blocks.h"
#include "tensor/half.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

using half::from_f16;

void unpack_block(const BlockQ8_0& b, float* out) {
  const float d = from_f16(b.d);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(b.qs[i]) * d;
}

void unpack_block(const BlockQ4_0& b, float* out) {
  const float d = from_f16(b.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((b.qs[i] & 15) - 8);
    out[16 + i] = d * static_cast<float>((b.qs[i] >> 4) - 8);
  }
}

void unpack_block(const BlockQ4_1& b, float* out) {
  const float d = from_f16(b.d), m = from_f16(b.m);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(b.qs[i] & 15) + m;
    out[16 + i] = d * static_cast<float>(b.qs[i] >> 4) + m;
  }
}

/** The 32 five-bit numbers of q5_0 and q5_1. */
void five_bits(const uint8_t* qh, const uint8_t* qs, int* q) {
  uint32_t high;
  std::memcpy(&high, qh, sizeof high);
  for (int i = 0; i < 16; ++i) {
    q[i] = (qs[i] & 15) | static_cast<int>((high >> i) & 1) << 4;
    q[16 + i] = (qs[i] >> 4) | static_cast<int>((high >> (16 + i)) & 1) << 4;
  }
}

void unpack_block(const BlockQ5_0& b, float* out) {
  const float d = from_f16(b.d);
  int q[32];
  five_bits(b.qh, b.qs, q);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] - 16);
}

void unpack_block(const BlockQ5_1& b, float* out) {
  const float d = from_f16(b.d), m = from_f16(b.m);
  int q[32];
  five_bits(b.qh, b.qs, q);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]) + m;
}

void unpack_block(const BlockQ2K& b, float* out) {
  const float d = from_f16(b.d), dmin = from_f16(b.dmin);
  for (int g = 0; g < 16; ++g) {
    const float scale = d * static_cast<float>(b.scales[g] & 15);
    const float minimum = dmin * static_cast<float>(b.scales[g] >> 4);
    const uint8_t* qs = b.qs + 32 * (g / 8) + 16 * (g % 2);
    const int shift = 2 * (g / 2 % 4);
    for (int i = 0; i < 16; ++i) out[16 * g + i] = scale * static_cast<float>((qs[i] >> shift) & 3) - minimum;
  }
}

void unpack_block(const BlockQ3K& b, float* out) {
  const float d = from_f16(b.d);
  for (int g = 0; g < 16; ++g) {
    const int low = (b.scales[g % 8] >> (4 * (g / 8))) & 15;
    const int high = (b.scales[8 + g % 4] >> (2 * (g / 4))) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* qs = b.qs + 32 * (g / 8) + 16 * (g % 2);
    const uint8_t* hmask = b.hmask + 16 * (g % 2);
    const int shift = 2 * (g / 2 % 4), bit = g / 2;
    for (int i = 0; i < 16; ++i) {
      const int q = ((qs[i] >> shift) & 3) - 4 * (1 - ((hmask[i] >> bit) & 1));
      out[16 * g + i] = scale * static_cast<float>(q);
    }
  }
}

/** Scale and minimum of group g in q4_k and q5_k. */
struct ScaleMin {
  int scale, min;
};
ScaleMin scale_min(const uint8_t* scales, int g) {
  if (g < 4) return {scales[g] & 63, scales[4 + g] & 63};
  return {(scales[4 + g] & 15) | (scales[g - 4] >> 6) << 4, (scales[4 + g] >> 4) | (scales[g] >> 6) << 4};
}

void unpack_block(const BlockQ4K& b, float* out) {
  const float d = from_f16(b.d), dmin = from_f16(b.dmin);
  for (int g = 0; g < 8; ++g) {
    const ScaleMin s = scale_min(b.scales, g);
    const float scale = d * static_cast<float>(s.scale), minimum = dmin * static_cast<float>(s.min);
    const uint8_t* qs = b.qs + 32 * (g / 2);
    const int shift = 4 * (g % 2);
    for (int i = 0; i < 32; ++i) out[32 * g + i] = scale * static_cast<float>((qs[i] >> shift) & 15) - minimum;
  }
}

void unpack_block(const BlockQ5K& b, float* out) {
  const float d = from_f16(b.d), dmin = from_f16(b.dmin);
  for (int g = 0; g < 8; ++g) {
    const ScaleMin s = scale_min(b.scales, g);
    const float scale = d * static_cast<float>(s.scale), minimum = dmin * static_cast<float>(s.min);
    const uint8_t* qs = b.qs + 32 * (g / 2);
    const int shift = 4 * (g % 2);
    for (int i = 0; i < 32; ++i) {
      const int q = ((qs[i] >> shift) & 15) | ((b.qh[i] >> g) & 1) << 4;
      out[32 * g + i] = scale * static_cast<float>(q) - minimum;
    }
  }
}

void unpack_block(const BlockQ6K& b, float* out) {
  const float d = from_f16(b.d);
  for (int g = 0; g < 16; ++g) {
    const float scale = d * static_cast<float>(b.scales[g]);
    const int half_block = g / 8, j = g / 2 % 4, first = 16 * (g % 2);
    const uint8_t* ql = b.ql + 64 * half_block + 32 * (j % 2) + first;
    const uint8_t* qh = b.qh + 32 * half_block + first;
    const int low_shift = 4 * (j / 2), high_shift = 2 * j;
    for (int i = 0; i < 16; ++i) {
      const int q = ((ql[i] >> low_shift) & 15) | ((qh[i] >> high_shift) & 3) << 4;
      out[16 * g + i] = scale * static_cast<float>(q - 32);
    }
  }
}

void unpack_block(const BlockIq4Nl& b, float* out) {
  const float d = from_f16(b.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kIq4Values[b.qs[i] & 15]);
    out[16 + i] = d * static_cast<float>(kIq4Values[b.qs[i] >> 4]);
  }
}

void unpack_block(const BlockIq4Xs& b, float* out) {
  const float d = from_f16(b.d);
  for (int g = 0; g < 8; ++g) {
    const int low = (b.scales_l[g / 2] >> (4 * (g % 2))) & 15, high = (b.scales_h >> (2 * g)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* qs = b.qs + 16 * g;
    for (int i = 0; i < 16; ++i) {
      out[32 * g + i] = scale * static_cast<float>(kIq4Values[qs[i] & 15]);
      out[32 * g + 16 + i] = scale * static_cast<float>(kIq4Values[qs[i] >> 4]);
    }
  }
}

template <class Block>
void unpack_blocks(std::span<const std::byte> bytes, std::span<float> out) {
  const auto* blocks = reinterpret_cast<const Block*>(bytes.data());  // packed: any alignment
  const size_t n = bytes.size() / sizeof(Block);
  for (size_t i = 0; i < n; ++i) unpack_block(blocks[i], out.data() + i * (out.size() / n));
}

template <class T, class Convert>
void unpack_plain(std::span<const std::byte> bytes, std::span<float> out, Convert convert) {
  const std::byte* in = bytes.data();
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, in + i * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
}

}  // namespace

void unpack(DType type, std::span<const std::byte> blocks, std::span<float> out) {
  GEMMA_CHECK(bytes_of(type, static_cast<int64_t>(out.size())) == static_cast<int64_t>(blocks.size()),
              "as many blocks as values");
  if (out.empty()) return;
  const auto widen = [](auto value) { return static_cast<float>(value); };
  switch (type) {
    case DType::f32:
      std::memcpy(out.data(), blocks.data(), blocks.size());
      return;
    case DType::bf16:
      return unpack_plain<uint16_t>(blocks, out, half::from_bf16);
    case DType::f16:
      return unpack_plain<uint16_t>(blocks, out, half::from_f16);
    case DType::i32:
      return unpack_plain<int32_t>(blocks, out, widen);
    case DType::i64:
      return unpack_plain<int64_t>(blocks, out, widen);
    case DType::u8:
      return unpack_plain<uint8_t>(blocks, out, widen);
    case DType::q8_0:
      return unpack_blocks<BlockQ8_0>(blocks, out);
    case DType::q4_0:
      return unpack_blocks<BlockQ4_0>(blocks, out);
    case DType::q4_1:
      return unpack_blocks<BlockQ4_1>(blocks, out);
    case DType::q5_0:
      return unpack_blocks<BlockQ5_0>(blocks, out);
    case DType::q5_1:
      return unpack_blocks<BlockQ5_1>(blocks, out);
    case DType::q2_k:
      return unpack_blocks<BlockQ2K>(blocks, out);
    case DType::q3_k:
      return unpack_blocks<BlockQ3K>(blocks, out);
    case DType::q4_k:
      return unpack_blocks<BlockQ4K>(blocks, out);
    case DType::q5_k:
      return unpack_blocks<BlockQ5K>(blocks, out);
    case DType::q6_k:
      return unpack_blocks<BlockQ6K>(blocks, out);
    case DType::iq4_nl:
      return unpack_blocks<BlockIq4Nl>(blocks, out);
    case DType::iq4_xs:
      return unpack_blocks<BlockIq4Xs>(blocks, out);
  }
  GEMMA_CHECK(false, "a known type");
}

float bf16_to_f32(uint16_t bits) { return half::from_bf16(bits); }
uint16_t f32_to_bf16(float value) { return half::to_bf16(value); }
float f16_to_f32(uint16_t bits) { return half::from_f16(bits); }
uint16_t f32_to_f16(float value) { return half::to_f16(value); }

}  // namespace gemma
