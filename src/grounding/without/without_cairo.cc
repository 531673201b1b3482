// SPDX-License-Identifier: Apache-2.0
// Stands in for cairo/ where the program is built without it.
#include "grounding/drawing.h"

namespace gemma::grounding {

bool has_cairo() { return false; }

std::string write_png(const std::string& path, const media::Pixels&, const Drawing&) {
  fail(path,
       "this program was built without cairo and Pango (Debian: libpango1.0-dev, README.md) and draws no PNG; a name "
       "in .svg works");
}

}  // namespace gemma::grounding
