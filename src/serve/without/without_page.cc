// SPDX-License-Identifier: Apache-2.0
#include "serve/page_assets.h"

namespace gemma::serve {

const std::vector<PageAsset>& page_assets() {
  static const std::vector<PageAsset> none;
  return none;
}

}  // namespace gemma::serve
