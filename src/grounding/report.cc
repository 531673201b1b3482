// SPDX-License-Identifier: Apache-2.0
#include "grounding/report.h"

#include <algorithm>
#include <cmath>

#include "grounding/letters.h"

namespace gemma::grounding {
namespace {

/** To hundredths, more than a thousandth of a picture says; whole ones without a point. */
json::value rounded(double value) {
  const double hundredths = std::round(value * 100);
  if (std::fmod(hundredths, 100) == 0) return static_cast<int64_t>(hundredths / 100);
  return hundredths / 100;
}

json::array corners(const Finding& each) {
  json::array out{rounded(each.top), rounded(each.left)};
  if (!each.point) out.insert(out.end(), {rounded(each.bottom), rounded(each.right)});
  return out;
}

}  // namespace

std::string table(const std::vector<Place>& places) {
  if (places.empty()) return "";
  size_t width = 5;
  for (const Place& each : places) width = std::max(width, columns(each.label));
  const bool points = std::all_of(places.begin(), places.end(), [](const Place& each) { return each.point; });
  const auto padded = [&](const std::string& text) { return text + std::string(width - columns(text), ' '); };
  std::string out = padded("label") + (points ? "       x       y\n" : "    left     top   right  bottom\n");
  for (const Place& each : places) {
    out += fmt::format("{} {:7.0f} {:7.0f}", padded(one_line(each.label)), each.left, each.top);
    if (!each.point) out += fmt::format(" {:7.0f} {:7.0f}", each.right, each.bottom);
    out += "\n";
  }
  return out;
}

json::object to_json(const Sighting& sighting) {
  json::array objects;
  for (size_t i = 0; i < sighting.places.size(); ++i) {
    const Place& place = sighting.places[i];
    json::object object{{"label", place.label}, {place.point ? "point" : "box_2d", corners(sighting.found[i])}};
    json::object at{{"x", rounded(place.left)}, {"y", rounded(place.top)}};
    if (!place.point) {
      at["width"] = rounded(place.right - place.left);
      at["height"] = rounded(place.bottom - place.top);
    }
    object[place.point ? "at" : "box"] = std::move(at);
    objects.push_back(std::move(object));
  }
  return {{"file", sighting.file},
          {"width", sighting.frame.width},
          {"height", sighting.frame.height},
          {"frame", sighting.frame.kind == Frame::Kind::upright ? "upright" : "stored"},
          {"objects", std::move(objects)}};
}

json::object coco(const std::vector<Sighting>& sightings) {
  json::array images, annotations, categories;
  std::vector<std::string> names;
  for (size_t i = 0; i < sightings.size(); ++i) {
    const Sighting& sighting = sightings[i];
    images.push_back({{"id", i + 1},
                      {"file_name", sighting.file},
                      {"width", sighting.frame.width},
                      {"height", sighting.frame.height}});
    for (const Place& place : sighting.places) {
      auto name = std::find(names.begin(), names.end(), place.label);
      if (name == names.end()) {
        name = names.insert(names.end(), place.label);
        json::object category{{"id", names.size()}, {"name", place.label}, {"supercategory", ""}};
        if (place.point) category["keypoints"] = json::array{"point"};
        categories.push_back(std::move(category));
      }
      const double width = place.right - place.left, height = place.bottom - place.top;
      json::object annotation{{"id", annotations.size() + 1},
                              {"image_id", i + 1},
                              {"category_id", name - names.begin() + 1},
                              {"bbox", {rounded(place.left), rounded(place.top), rounded(width), rounded(height)}},
                              {"area", rounded(width * height)},
                              {"segmentation", json::array()},
                              {"iscrowd", 0}};
      if (place.point) {
        annotation["keypoints"] = {rounded(place.left), rounded(place.top), 2};
        annotation["num_keypoints"] = 1;
      }
      annotations.push_back(std::move(annotation));
    }
  }
  return {
      {"images", std::move(images)}, {"annotations", std::move(annotations)}, {"categories", std::move(categories)}};
}

}  // namespace gemma::grounding
