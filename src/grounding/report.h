// SPDX-License-Identifier: Apache-2.0
// Places as a table, as JSON, and as a COCO file.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "grounding/frame.h"

namespace gemma::grounding {

/** What was found in one picture. */
struct Sighting {
  std::string file;
  Frame frame;
  std::vector<Finding> found;
  std::vector<Place> places;  // of found, in the frame
};

/** A line a place, whole pixels; "" for none. */
std::string table(const std::vector<Place>& places);
/** {file, width, height, frame, objects: [{label, box_2d, box: {x, y, width, height}} or {label, point, at: {x, y}}]}
 */
json::object to_json(const Sighting& sighting);
/** A data set: images, annotations, categories (in the order of their first place). A point is a box without sides with
 *  one key point. */
json::object coco(const std::vector<Sighting>& sightings);

}  // namespace gemma::grounding
