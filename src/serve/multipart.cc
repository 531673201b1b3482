// SPDX-License-Identifier: Apache-2.0
#include "serve/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace gemma::serve {
namespace {

constexpr size_t kMostBoundary = 70;

/** Whether they differ in capital letters at most. (Boost.Beast's own reads a byte behind the end of such.) */
bool same_word(std::string_view a, std::string_view b) {
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return small(x) == small(y); });
}

/** A parameter of a header's value: name="quoted" or name=plain; nullopt where it is not there. */
std::optional<std::string> parameter(std::string_view value, std::string_view name) {
  size_t at = value.find(';');
  while (at != std::string_view::npos) {
    at = value.find_first_not_of("; \t", at);
    if (at == std::string_view::npos) break;
    const size_t equals = value.find_first_of("=;", at);
    if (equals == std::string_view::npos || value[equals] == ';') {
      at = equals;
      continue;
    }
    const std::string_view key = value.substr(at, equals - at);
    std::string text;
    at = equals + 1;
    if (at < value.size() && value[at] == '"') {
      for (++at; at < value.size() && value[at] != '"'; ++at) {
        if (value[at] == '\\' && at + 1 < value.size()) ++at;
        text += value[at];
      }
      at = value.find(';', at);
    } else {
      const size_t end = std::min(value.size(), value.find(';', at));
      text = value.substr(at, end - at);
      text.erase(text.find_last_not_of(" \t") + 1);
      at = end < value.size() ? end : std::string_view::npos;
    }
    if (same_word(key, name)) return text;
  }
  return std::nullopt;
}

/** Name and file name from a part's header lines. */
std::optional<FormPart> part_of(std::string_view head) {
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !same_word(line.substr(0, colon), "content-disposition")) continue;
    auto name = parameter(line.substr(colon + 1), "name");
    if (!name) return std::nullopt;
    return FormPart{std::move(*name), parameter(line.substr(colon + 1), "filename").value_or(""), {}};
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<FormPart>> read_form(std::string_view content_type, std::string_view body, size_t most) {
  if (!same_word(content_type.substr(0, content_type.find(';')), "multipart/form-data")) {
    return Failure{"", fmt::format("expected a body of multipart/form-data, found '{}'", content_type.substr(0, 100))};
  }
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kMostBoundary) {
    return Failure{"", fmt::format("multipart/form-data: expected a boundary of 1 to {} letters", kMostBoundary)};
  }
  const std::string line = "\r\n--" + *boundary;
  std::vector<FormPart> parts;
  // The first boundary may stand at the very beginning.
  const bool at_once = body.starts_with(std::string_view(line).substr(2));
  const size_t found = at_once ? 0 : body.find(line);
  if (found == std::string_view::npos) return Failure{"", "multipart/form-data: the boundary is not in the body"};
  size_t at = found + line.size() - (at_once ? 2 : 0);
  while (body.substr(at, 2) != "--") {
    const size_t begin = body.find("\r\n", at), end_of_head = body.find("\r\n\r\n", begin);
    if (begin == std::string_view::npos || end_of_head == std::string_view::npos) {
      return Failure{"", "multipart/form-data: the body ends within a part"};
    }
    const size_t end = body.find(line, end_of_head + 2);
    if (end == std::string_view::npos) return Failure{"", "multipart/form-data: the body ends within a part"};
    auto part = part_of(body.substr(begin + 2, end_of_head - begin));
    if (!part) return Failure{"", fmt::format("multipart/form-data: part {} has no name", parts.size() + 1)};
    if (parts.size() == most) return Failure{"", fmt::format("multipart/form-data: more than {} parts", most)};
    const size_t first = std::min(end, end_of_head + 4);
    part->bytes = body.substr(first, end - first);
    parts.push_back(std::move(*part));
    at = end + line.size();
  }
  return parts;
}

}  // namespace gemma::serve
