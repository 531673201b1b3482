// SPDX-License-Identifier: Apache-2.0
// Bodies of multipart/form-data (RFC 7578), as forms with files send them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace gemma::serve {

struct FormPart {
  std::string name, filename;  // filename: "" where the part is no file
  std::string bytes;
};

/** content_type: that of the request, with its boundary. At most `most` parts. */
Result<std::vector<FormPart>> read_form(std::string_view content_type, std::string_view body, size_t most = 64);

}  // namespace gemma::serve
