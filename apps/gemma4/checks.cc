// SPDX-License-Identifier: Apache-2.0
#include "gemma4/checks.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/memory.h"

namespace gemma::app {

CLI::Validator whole(int64_t least, int64_t most) {
  const std::string kind = fmt::format("from {} to {}", least, most);
  const auto fault = [=](const std::string& text) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (whole && value >= least && value <= most) return std::string();
    return fmt::format("expected a whole number {}, found '{}'", kind, text);
  };
  return {fault, kind};
}

CLI::Validator tokens() { return whole(1, kTokenLimit); }
CLI::Validator seeds() { return whole(0, std::numeric_limits<int64_t>::max()); }

CLI::Validator in_range(double least, double most) {
  const std::string kind = fmt::format("from {} to {}", least, most);
  const auto fault = [=](const std::string& text) {
    double value = 0;
    const bool number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
    if (number && value >= least && value <= most) return std::string();
    return fmt::format("expected a number {}, found '{}'", kind, text);
  };
  return {fault, kind};
}

CLI::Validator sizes(int64_t most) {
  const auto fault = [most](const std::string& text) {
    const auto bytes = parse_bytes(text);
    if (bytes && *bytes <= most && !text.ends_with('%')) return std::string();
    const bool bounded = most < std::numeric_limits<int64_t>::max();
    const std::string range = bounded ? fmt::format("1 to {} bytes", most) : "1 byte or more";
    return fmt::format("expected a size such as 64MB, {}, found '{}'", range, text);
  };
  return {fault, ""};
}

CLI::Validator room() {
  const auto fault = [size = sizes(std::numeric_limits<int64_t>::max())](const std::string& text) {
    return text == "0" ? std::string() : size(text);
  };
  return {fault, ""};
}

int64_t room_of(const std::string& size) { return size == "0" ? 0 : *parse_bytes(size); }

CLI::Validator not_empty() {
  return {[](const std::string& text) { return std::string(text.empty() ? "expected a name, found nothing" : ""); },
          ""};
}

}  // namespace gemma::app
