// SPDX-License-Identifier: Apache-2.0
#include "serve/json_bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace gemma::serve {
namespace {

/** A string of JSON, with its quotes, as what it stands for. */
std::string meaning_of(std::string_view quoted) {
  if (quoted.find('\\') == std::string_view::npos) return std::string(quoted.substr(1, quoted.size() - 2));
  const auto parsed = parse_json(quoted);
  GEMMA_CHECK(parsed.ok() && parsed.value().is_string(), "it has been read before");
  return std::string(parsed.value().get_string());
}

/** Behind the string that begins at `begin`. */
size_t end_of_string(std::string_view json, size_t begin) {
  size_t at = begin + 1;
  while (json[at] != '"') at += json[at] == '\\' ? 2 : 1;
  return at + 1;
}

}  // namespace

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

std::optional<std::string> field_given_twice(std::string_view json) {
  std::vector<std::vector<std::string>> open;  // of each bracket that has not been closed, the names in it
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '{' || json[i] == '[') open.emplace_back();
    if (json[i] == '}' || json[i] == ']') {
      std::vector<std::string> names = std::move(open.back());
      open.pop_back();
      std::ranges::sort(names);
      const auto twice = std::ranges::adjacent_find(names);
      if (twice != names.end()) return *twice;
    }
    if (json[i] != '"') continue;
    const size_t end = end_of_string(json, i), next = json.find_first_not_of(" \t\r\n", end);
    if (next != std::string_view::npos && json[next] == ':') {
      open.back().push_back(meaning_of(json.substr(i, end - i)));
    }
    i = end - 1;
  }
  return std::nullopt;
}

}  // namespace gemma::serve
