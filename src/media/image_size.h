// SPDX-License-Identifier: Apache-2.0
// The size a picture is given before it is cut into patches: as large as the budget of soft tokens allows, sides whole
// numbers of cells (a cell of patches becomes one soft token), nearly the same shape.
#pragma once

#include <array>

#include "base/error.h"

namespace gemma::media {

/** Soft tokens that a picture may have. Pictures have 280, frames of films 70, unless the processor's configuration
 *  says otherwise. */
inline constexpr std::array<int, 5> kImageBudgets{70, 140, 280, 560, 1120};
inline constexpr int kDefaultImageBudget = 280, kDefaultFrameBudget = 70;
/** In place of a budget: by the text in the picture (media/text_height.h). */
inline constexpr int kAutoBudget = -1;

/** The grid of the model: pixels of a patch's side, patches of a cell's side. */
struct Grid {
  int patch = 16, cell = 3;
  int side() const { return patch * cell; }
};

struct TargetSize {
  int width = 0, height = 0, soft_tokens = 0;
};

/** Which size a picture of `width` x `height` is resized to; the reference's own refusals otherwise: both sides come to
 *  nothing, or the cells are more than the budget. */
Result<TargetSize> target_size(int width, int height, int budget, const Grid& grid = {});

}  // namespace gemma::media
