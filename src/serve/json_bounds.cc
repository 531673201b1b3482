// SPDX-License-Identifier: Apache-2.0
#include "serve/json_bounds.h"

namespace gemma::serve {

int64_t most_values(std::string_view json) {
  int64_t values = 1;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text && c == '\\') ++i;
    if (c == '"') in_text = !in_text;
    values += !in_text && (c == ',' || c == '[' || c == '{') ? 1 : 0;
  }
  return values;
}

}  // namespace gemma::serve
