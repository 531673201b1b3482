// SPDX-License-Identifier: Apache-2.0
// Where labels go. A letter is taken to be 0.62 of the font's height wide, which no common sans-serif font exceeds on
// average; whoever draws squeezes a text that is wider all the same.
#include <algorithm>
#include <cmath>

#include "grounding/drawing.h"
#include "grounding/letters.h"

namespace gemma::grounding {
namespace {

constexpr double kLetter = 0.62, kPadding = 0.25, kRow = 1.4;  // of the font's height
constexpr size_t kMostColumns = 40;
constexpr int kRows = 200;  // tried above and below before labels may overlap

// Told apart also by most who do not see all colours (after Okabe and Ito's choice of hues).
constexpr std::array<Colour, 8> kColours{{{230, 159, 0},
                                          {86, 180, 233},
                                          {0, 158, 115},
                                          {240, 228, 66},
                                          {0, 114, 178},
                                          {213, 94, 0},
                                          {204, 121, 167},
                                          {235, 235, 235}}};

Colour ink_on(const Colour& colour) {
  const double light = 0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue;
  return light > 128 ? Colour{0, 0, 0} : Colour{255, 255, 255};
}

Box inside(Box box, const Drawing& drawing) {
  box.left = std::clamp(box.left, 0.0, std::max(0.0, drawing.width - box.width));
  box.top = std::clamp(box.top, 0.0, std::max(0.0, drawing.height - box.height));
  return box;
}

bool is_free(const Box& box, const std::vector<DrawnPlace>& taken) {
  return std::none_of(taken.begin(), taken.end(),
                      [&](const DrawnPlace& each) { return !each.text.empty() && each.label.overlaps(box); });
}

/** Above the place if there is room, else in its upper corner, else the nearest row that is free. */
Box spot_for(const Place& place, Box box, const Drawing& drawing) {
  const double gap = place.point ? 3 * drawing.line : 0;
  const std::array<std::pair<double, double>, 4> wished{{{place.left, place.top - box.height - gap},
                                                         {place.left, place.top + gap},
                                                         {place.right + gap, place.top},
                                                         {place.left, place.bottom + gap}}};
  for (const auto& [left, top] : wished) {
    box.left = left;
    box.top = top;
    const Box held = inside(box, drawing);
    if (std::abs(held.top - top) < 1 && is_free(held, drawing.places)) return held;
  }
  const Box first = inside({place.left, place.top - box.height - gap, box.width, box.height}, drawing);
  for (int row = 0; row < kRows; ++row) {
    for (const int side : {1, -1}) {
      Box moved = first;
      moved.top += side * row * box.height;
      if (moved.top < 0 || moved.bottom() > drawing.height) continue;
      if (is_free(moved, drawing.places)) return moved;
    }
  }
  return first;
}

}  // namespace

Drawing arrange(const std::vector<Place>& places, int width, int height) {
  Drawing drawing;
  drawing.width = width;
  drawing.height = height;
  const double least = std::min(width, height);
  drawing.font = std::clamp(least / 36, std::min(11.0, least / 2), 96.0);
  drawing.line = std::max(1.0, std::round(drawing.font / 7));
  const double letter = kLetter * drawing.font, padding = kPadding * drawing.font;
  const double room = (width - 2 * padding) / letter;
  const size_t most = room < 1 ? 0 : std::min(kMostColumns, static_cast<size_t>(room));
  std::vector<std::string> names;
  for (const Place& place : places) {
    auto name = std::find(names.begin(), names.end(), place.label);
    if (name == names.end()) name = names.insert(names.end(), place.label);
    DrawnPlace drawn;
    drawn.place = place;
    drawn.colour = kColours[static_cast<size_t>(name - names.begin()) % kColours.size()];
    drawn.ink = ink_on(drawn.colour);
    const double row = kRow * drawing.font;
    if (most > 0 && row <= height) {
      drawn.text = shortened(place.label, most);
      drawn.label =
          spot_for(place, {0, 0, static_cast<double>(columns(drawn.text)) * letter + 2 * padding, row}, drawing);
    }
    drawing.places.push_back(std::move(drawn));
  }
  return drawing;
}

}  // namespace gemma::grounding
