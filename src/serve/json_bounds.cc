// SPDX-License-Identifier: Apache-2.0
#include "serve/json_bounds.h"

#include <fmt/format.h>

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

Result<json::value> BoundedJson::read(std::string_view text, int depth, BigIntegers big) {
  left_ -= most_values(text);
  if (left_ < 0) return Failure{"", fmt::format("it has more than {} values", kMostValues)};
  return parse_json(text, depth, big);
}

}  // namespace gemma::serve
