// SPDX-License-Identifier: Apache-2.0
#include "serve/log_entry.h"

#include <fmt/format.h>

#include <algorithm>

namespace gemma::serve {
namespace {

bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 127 && c != '"'; });
}

std::string written(const json::value& value) {
  if (const double* number = value.if_double()) return fmt::format("{:.3f}", *number);
  if (const json::string* text = value.if_string(); text != nullptr && is_plain(*text)) return std::string(*text);
  return write_json(value);
}

}  // namespace

std::string text_line(const json::object& values) {
  std::string line;
  for (const auto& [name, value] : values) {
    const std::string_view key(name);
    line += line.empty() ? "" : " ";
    if (key != "method" && key != "path") line += fmt::format("{}=", key);
    line += written(value);
  }
  return line;
}

}  // namespace gemma::serve
