// SPDX-License-Identifier: Apache-2.0
// What soft tokens are made of, from arrays as files of such arrays have them.
#pragma once

#include "base/error.h"
#include "config/media_config.h"
#include "model/patches.h"
#include "tensor/tensor.h"

namespace gemma {

/** A picture or frame, or a clip. */
struct MediaInput {
  Patches picture;
  Tensor sound;  // frames: of mel features for a tower, of samples for the 12B; undefined for a picture
};

/** A picture of squares [squares, values] that are at `places`: i32 [squares, 2], column and row of each, which must be
 *  those of a grid, row by row. */
Result<MediaInput> picture_input(Tensor squares, const Tensor& places);

/** Sound of f32 [frames, values]. `mask`: u8 [frames], behind whose last that is not 0 there is padding, which is left
 *  out; undefined where all is sound. */
Result<MediaInput> sound_input(const Tensor& frames, const Tensor& mask);

/** How many soft tokens the encoders of a model make of it, or why they cannot. */
Result<int64_t> soft_tokens_of(const MediaConfig& encoders, const MediaInput& input);

}  // namespace gemma
