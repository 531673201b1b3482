// SPDX-License-Identifier: Apache-2.0
#include "gemma4/checks.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace gemma::app {
namespace {

template <class Allows>
CLI::Validator number(const std::string& kind, Allows allows) {
  const auto fault = [kind, allows](const std::string& text) {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && std::isfinite(value) && allows(value)) return std::string();
    return fmt::format("expected a number {}, found '{}'", kind, text);
  };
  return {fault, kind};
}

}  // namespace

CLI::Validator in_range(double least, double most) {
  return number(fmt::format("from {} to {}", least, most), [=](double v) { return v >= least && v <= most; });
}

CLI::Validator positive() {
  return number("above 0", [](double v) { return v > 0; });
}

CLI::Validator not_negative() {
  return number("of 0 or more", [](double v) { return v >= 0; });
}

CLI::Validator not_empty() {
  return {[](const std::string& text) { return std::string(text.empty() ? "expected a name, found nothing" : ""); },
          ""};
}

}  // namespace gemma::app
