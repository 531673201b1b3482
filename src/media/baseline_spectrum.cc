// SPDX-License-Identifier: Apache-2.0
#include "media/generic_spectrum.h"

namespace gemma::media {

Spectrum baseline_spectrum() { return spectrum; }

}  // namespace gemma::media
