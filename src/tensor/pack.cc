// SPDX-License-Identifier: Apache-2.0
#include "tensor/pack.h"

#include <cstring>

#include "base/error.h"
#include "tensor/half.h"
#include "tensor/quantize.h"

namespace gemma {
namespace {

template <class Block>
void pack_blocks(std::span<const float> values, std::span<std::byte> bytes) {
  auto* blocks = reinterpret_cast<Block*>(bytes.data());  // packed: any alignment
  const size_t n = bytes.size() / sizeof(Block);
  for (size_t i = 0; i < n; ++i) quantize::block(values.data() + i * (values.size() / n), blocks[i]);
}

template <class Convert>
void pack_halves(std::span<const float> values, std::span<std::byte> bytes, Convert convert) {
  std::byte* out = bytes.data();
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = convert(values[i]);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace

bool can_pack(DType type) {
  switch (type) {
    case DType::f32:
    case DType::bf16:
    case DType::f16:
    case DType::q8_0:
    case DType::q4_0:
    case DType::q4_1:
    case DType::q5_0:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
      return true;
    default:
      return false;
  }
}

void pack(DType type, std::span<const float> values, std::span<std::byte> blocks) {
  GEMMA_CHECK(bytes_of(type, static_cast<int64_t>(values.size())) == static_cast<int64_t>(blocks.size()),
              "as many blocks as values");
  if (values.empty()) return;
  switch (type) {
    case DType::f32:
      std::memcpy(blocks.data(), values.data(), blocks.size());
      return;
    case DType::bf16:
      return pack_halves(values, blocks, half::to_bf16);
    case DType::f16:
      return pack_halves(values, blocks, half::to_f16);
    case DType::q8_0:
      return pack_blocks<BlockQ8_0>(values, blocks);
    case DType::q4_0:
      return pack_blocks<BlockQ4_0>(values, blocks);
    case DType::q4_1:
      return pack_blocks<BlockQ4_1>(values, blocks);
    case DType::q5_0:
      return pack_blocks<BlockQ5_0>(values, blocks);
    case DType::q5_1:
      return pack_blocks<BlockQ5_1>(values, blocks);
    case DType::q4_k:
      return pack_blocks<BlockQ4K>(values, blocks);
    case DType::q5_k:
      return pack_blocks<BlockQ5K>(values, blocks);
    case DType::q6_k:
      return pack_blocks<BlockQ6K>(values, blocks);
    default:
      GEMMA_CHECK(false, "a type that can_pack names");
  }
}

}  // namespace gemma
