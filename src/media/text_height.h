// SPDX-License-Identifier: Apache-2.0
// How large the text in a picture is, found without reading it: pieces of like height in rows, as letters stand.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "media/image.h"
#include "media/image_size.h"

namespace gemma::media {

/** A line of text by its box and the height of its letters, from the tops of tall ones to the bottoms of deep ones; in
 *  pixels of the picture. */
struct TextLine {
  double left = 0, top = 0, right = 0, bottom = 0;
  double height = 0, other_height = 0;  // other: what it may be as well, where the line's letters are all alike
  int letters = 0;
};
std::vector<TextLine> find_text(const Pixels& pixels);

/** The height that all text but the smallest twentieth of it reaches; nullopt where there is none. */
std::optional<double> text_height(const std::vector<TextLine>& lines);

/** Text is not to become smaller than this by the resize. */
inline constexpr double kLegibleHeight = 12;

struct ChosenBudget {
  int budget = kDefaultImageBudget;
  std::optional<double> text;  // its height in the picture, and after the resize
  double resized = 0;
};

/** The smallest budget at which text keeps kLegibleHeight, the largest where none does that; without text the
 *  default. */
ChosenBudget choose_budget(const Pixels& pixels, const Grid& grid);

}  // namespace gemma::media
