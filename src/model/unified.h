// SPDX-License-Identifier: Apache-2.0
// The 12B's ways to soft tokens, without towers (spec: gemma4_unified.md): every block of pixels and every run of
// samples by itself.
#pragma once

#include "model/encoder_weights.h"
#include "model/patches.h"

namespace gemma {

/** [blocks, text dim]. `encoders` takes pixel blocks, and its table of positions has the grid's. */
Tensor encode_pixel_blocks(Ops& ops, const Encoders& encoders, const Patches& picture);

/** Samples [frames, samples] in -1 .. 1 -> [frames, text dim]. `encoders` takes them. */
Tensor encode_samples(Ops& ops, const Encoders& encoders, const Tensor& samples);

}  // namespace gemma
