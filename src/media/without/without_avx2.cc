// SPDX-License-Identifier: Apache-2.0
// Stands in for avx2_*.cc on other architectures.
#include "media/resize_passes.h"
#include "media/spectrum.h"

namespace gemma::media {

ResizePasses avx2_passes() { return {nullptr, nullptr}; }
Spectrum avx2_spectrum() { return nullptr; }

}  // namespace gemma::media
