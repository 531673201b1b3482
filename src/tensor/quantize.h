// SPDX-License-Identifier: Apache-2.0
// Quantizers: from finite f32 values to the block of (nearly) least squared error. Each looks at one block only, so the
// result depends on nothing else, and none is worse than the format's plain rounding, which is always among the
// candidates. For files of this module; others call `pack`.
#pragma once

#include "tensor/blocks.h"

namespace gemma::quantize {

void block(const float* x, BlockQ8_0& out);
void block(const float* x, BlockQ4_0& out);
void block(const float* x, BlockQ4_1& out);
void block(const float* x, BlockQ5_0& out);
void block(const float* x, BlockQ5_1& out);
void block(const float* x, BlockQ4K& out);
void block(const float* x, BlockQ5K& out);
void block(const float* x, BlockQ6K& out);

}  // namespace gemma::quantize
