// SPDX-License-Identifier: Apache-2.0
#include "gemma4/help.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace gemma::app {

std::string Help::make_option(const CLI::Option* option, bool is_positional) const {
  if (!is_positional) return Formatter::make_option(option, is_positional);
  std::ostringstream out;
  CLI::detail::format_help(out, make_option_usage(option), make_option_desc(option), column_width_);
  return out.str();
}

std::string Help::make_option_name(const CLI::Option* option, bool is_positional) const {
  std::string name = Formatter::make_option_name(option, is_positional);
  const size_t value = name.find('{');  // what a flag stands for: "--no-strict{false}"
  return name.substr(0, value);
}

std::string Help::make_option_usage(const CLI::Option* option) const {
  if (!option->get_option_text().empty()) return option->get_option_text();
  std::string name = option->get_name(true, false);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  if (option->get_expected_max() > 1) name += "...";
  return option->get_required() ? name : "[" + name + "]";
}

}  // namespace gemma::app
