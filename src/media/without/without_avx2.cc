// SPDX-License-Identifier: Apache-2.0
// Stands in for avx2_passes.cc on other architectures.
#include "media/resize_passes.h"

namespace gemma::media {

ResizePasses avx2_passes() { return {nullptr, nullptr}; }

}  // namespace gemma::media
