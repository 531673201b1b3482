// SPDX-License-Identifier: Apache-2.0
// Between f32 and every stored format. unpack is exact by definition (the format says which f32 a block means) and
// equal to the bit with the PyPI package gguf; pack chooses the block of least error and is deterministic.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/dtype.h"

namespace gemma {

float bf16_to_f32(uint16_t bits);
uint16_t f32_to_bf16(float value);  // round to nearest even, NaN stays NaN
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);  // round to nearest even

/** blocks -> out.size() values; sizes must agree (bytes_of). Integer types widen. */
void unpack(DType type, std::span<const std::byte> blocks, std::span<float> out);

/** values -> blocks. For f32 bf16 f16 and the types `can_pack` names. Values for block types must be finite; those
 *  beyond what a half-precision scale reaches are clipped. A block depends on its own values only. */
void pack(DType type, std::span<const float> values, std::span<std::byte> blocks);
bool can_pack(DType type);

}  // namespace gemma
