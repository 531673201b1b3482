// SPDX-License-Identifier: Apache-2.0
#include "media/generic_passes.h"

namespace gemma::media {

ResizePasses avx2_passes() { return {pass_across, pass_down}; }

}  // namespace gemma::media
