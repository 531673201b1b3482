// SPDX-License-Identifier: Apache-2.0
// The tensors of encoders of pictures and sound: their shapes in a Hugging Face folder and in an mmproj file, and what
// changes between the two (spec/gguf.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/media_config.h"
#include "tensor/tensor.h"

namespace gemma {

struct MediaTensor {
  /** From the folder to the mmproj file. */
  enum class Change : uint8_t {
    nothing,         // but its shape
    colours_apart,   // rows of pixels, three values each, become three planes
    softplus,        // is applied
    axes_exchanged,  // [n, 2, dim] becomes [2, n, dim]
  };

  std::string name;  // of the reference, without "model."
  Shape from, to;    // in the folder, in the mmproj file
  Change change = Change::nothing;
  bool matrix = false;  // of a type that --type is about

  /** Where value i of the mmproj file's tensor is in the folder's. */
  int64_t place(int64_t i) const;
};

/** How pictures are cut: pixels of a side of a patch, patches of a side of a soft token. */
struct PatchGrid {
  int patch = 0, pool = 0;
};
/** What files say of it. A block of the 12B is one patch to us, to their readers a square of patches: 3 x 3 of them
 *  where 3 divides it. */
PatchGrid patch_grid(const MediaConfig& media);

/** All tensors of such encoders, in the order of the model. */
std::vector<MediaTensor> media_tensors(const MediaConfig& media, int64_t text_dim);

}  // namespace gemma
