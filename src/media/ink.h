// SPDX-License-Identifier: Apache-2.0
// What stands out from what is around it, in pieces that hang together: the letters of a picture with text, among much
// else. Inside the module only.
#pragma once

#include <cstdint>
#include <vector>

#include "media/image.h"

namespace gemma::media {

/** Brightness, [height][width]. */
struct Grey {
  int width = 0, height = 0;
  std::vector<uint8_t> values;

  const uint8_t* row(int y) const { return values.data() + int64_t{y} * width; }
};

/** Blocks of `shrink` x `shrink` pixels become one, their mean; what is left over at the edges is left out. */
Grey grey_of(const Pixels& pixels, int shrink);
Grey halved(const Grey& grey);

/** A piece of one colour: its box, how many pixels it has, and in how many stretches of a row these lie. */
struct Piece {
  int left = 0, top = 0, right = 0, bottom = 0;  // the last two: one beyond
  int pixels = 0, stretches = 0;

  int width() const { return right - left; }
  int height() const { return bottom - top; }
};

enum class Ink : uint8_t { dark, light };

/** Pieces that are darker (or lighter) than half of the contrast around them, where there is any; pixels that touch at
 * a corner hang together. Only those of `least` to `most` pixels of height. */
std::vector<Piece> pieces_of(const Grey& grey, Ink ink, int least, int most);

}  // namespace gemma::media
