// SPDX-License-Identifier: Apache-2.0
// Places drawn on their picture. Each has a colour, an outline with a dark edge, and its label in a filled box of that
// colour, black or white on it as reads better; no label leaves the picture or lies on another where there is room.
//
//   const Drawing drawing = arrange(places, width, height);
//   write_png("out.png", pixels, drawing);
//   write_file("out.svg", svg(drawing, {"image/jpeg", bytes}));
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grounding/frame.h"
#include "media/image.h"

namespace gemma::grounding {

struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
};

struct Box {
  double left = 0, top = 0, width = 0, height = 0;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
  bool overlaps(const Box& other) const {
    return left < other.right() && other.left < right() && top < other.bottom() && other.top < bottom();
  }
};

struct DrawnPlace {
  Place place;
  Colour colour, ink;
  Box label;         // where its text stands, padding included
  std::string text;  // "" where the picture has no room for one letter
};

struct Drawing {
  int width = 0, height = 0;
  double line = 1, font = 12;  // thickness and letter height
  std::vector<DrawnPlace> places;
};

Drawing arrange(const std::vector<Place>& places, int width, int height);

/** A picture as the file has it; browsers turn it by its tag. */
struct Embedded {
  std::string_view type;  // "image/jpeg"
  std::string_view bytes;
};
std::string svg(const Drawing& drawing, const Embedded& picture);

/** Whether PNGs can be drawn: cairo and Pango were there. */
bool has_cairo();
/** Returns the letters that no installed font has, which are drawn as boxes. Fails with `path`. pixels: the upright
 *  picture, of the drawing's size. */
std::string write_png(const std::string& path, const media::Pixels& pixels, const Drawing& drawing);

}  // namespace gemma::grounding
