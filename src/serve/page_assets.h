// SPDX-License-Identifier: Apache-2.0
// The files of the page, inside the program: made by web/build.mjs, or none (without/without_page.cc).
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace gemma::serve {

struct PageAsset {
  std::string_view path, type;
  std::string_view bytes, gzip;  // the same; gzip is empty where it would not be smaller
  std::string_view tag;          // of the content
  bool immutable = false;        // its name changes with its content
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

const std::vector<PageAsset>& page_assets();

}  // namespace gemma::serve
