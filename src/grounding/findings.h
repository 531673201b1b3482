// SPDX-License-Identifier: Apache-2.0
// Boxes and points as the model writes them: JSON, fenced or bare, with prose around it or without, in thousandths of
// the picture's height and width.
//
//   [{"box_2d": [y1, x1, y2, x2], "label": "bike"}, {"point": [y, x], "label": "bell"}]
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace gemma::grounding {

constexpr double kScale = 1000;  // of the model's coordinates

/** A box, or a point: a box without sides. 0 to kScale, in order. */
struct Finding {
  std::string label;
  bool point = false;
  double top = 0, left = 0, bottom = 0, right = 0;
};

struct Findings {
  std::vector<Finding> found;
  std::vector<std::string> notes;  // what was left out or mended, a line each
};

/** A failure when there is no list of boxes or points in the answer at all. An entry that is wrong is left out, corners
 *  in the wrong order are put right, of an answer that was cut the whole entries are taken; notes say so. An entry
 *  without a label gets `label`. */
Result<Findings> read_findings(std::string_view answer, std::string_view label = "object");

/** What such an answer is, as a schema: at most `most` entries. */
std::string box_schema(int most);
std::string point_schema(int most);

}  // namespace gemma::grounding
