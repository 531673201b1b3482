// SPDX-License-Identifier: Apache-2.0
// From rows as files store them to panels (kernels/packed.h), and back to f32 a row at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cpu/kernels/packed.h"
#include "tensor/dtype.h"

namespace gemma::cpu {

/** Whether weights of this type are packed: all but f32, whose rows are multiplied as they are. */
bool is_packable(DType type);

/** Bytes of a panel of 32 rows of n values. */
int64_t panel_bytes(DType type, int64_t n);

/** `height` rows (at most 32) of n values, one after another in `rows`, become a panel. */
void pack_panel(DType type, std::span<const std::byte> rows, int64_t height, int64_t n, std::span<std::byte> panel);

/** Row `row` of a panel as f32: the values that unpack (tensor/pack.h) gives, to the bit. */
void unpack_panel_row(DType type, const std::byte* panel, int row, std::span<float> out);

}  // namespace gemma::cpu
