// SPDX-License-Identifier: Apache-2.0
// From thousandths to pixels of the picture.
#pragma once

#include <vector>

#include "grounding/findings.h"

namespace gemma::grounding {

/** A picture's pixels. upright: as people and the model see it, turned by its orientation tag. stored: rows and columns
 *  of the file, the turn undone. */
struct Frame {
  enum class Kind : uint8_t { upright, stored };
  Kind kind = Kind::upright;
  int width = 0, height = 0;
};

/** In pixels of a frame: left and top edges at 0, right and bottom at its width and height. */
struct Place {
  std::string label;
  bool point = false;
  double left = 0, top = 0, right = 0, bottom = 0;
};

/** width, height: of the upright picture. orientation: the tag, 1 to 8. */
Frame frame_of(Frame::Kind kind, int width, int height, int orientation);
std::vector<Place> places_in(const Frame& frame, const std::vector<Finding>& found, int orientation);

}  // namespace gemma::grounding
