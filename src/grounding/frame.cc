// SPDX-License-Identifier: Apache-2.0
#include "grounding/frame.h"

#include <algorithm>
#include <utility>

namespace gemma::grounding {
namespace {

/** Where in the file a place of the upright picture lies; all from 0 to 1. */
std::pair<double, double> stored(double x, double y, int orientation) {
  switch (orientation) {
    case 2:
      return {1 - x, y};
    case 3:
      return {1 - x, 1 - y};
    case 4:
      return {x, 1 - y};
    case 5:
      return {y, x};
    case 6:
      return {y, 1 - x};
    case 7:
      return {1 - y, 1 - x};
    case 8:
      return {1 - y, x};
    default:
      return {x, y};
  }
}

}  // namespace

Frame frame_of(Frame::Kind kind, int width, int height, int orientation) {
  const bool sideways = kind == Frame::Kind::stored && orientation >= 5;
  return {kind, sideways ? height : width, sideways ? width : height};
}

std::vector<Place> places_in(const Frame& frame, const std::vector<Finding>& found, int orientation) {
  std::vector<Place> places;
  for (const Finding& each : found) {
    std::pair<double, double> a{each.left / kScale, each.top / kScale}, b{each.right / kScale, each.bottom / kScale};
    if (frame.kind == Frame::Kind::stored) {
      a = stored(a.first, a.second, orientation);
      b = stored(b.first, b.second, orientation);
    }
    places.push_back({each.label, each.point, std::min(a.first, b.first) * frame.width,
                      std::min(a.second, b.second) * frame.height, std::max(a.first, b.first) * frame.width,
                      std::max(a.second, b.second) * frame.height});
  }
  return places;
}

}  // namespace gemma::grounding
