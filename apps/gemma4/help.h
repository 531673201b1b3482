// SPDX-License-Identifier: Apache-2.0
// How --help reads.
#pragma once

#include <CLI/CLI.hpp>

namespace gemma::app {

/** CLI11's, save that words without an option stand as they are typed: "IMAGE... [WHAT]", and once. */
class Help final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_usage(const CLI::Option* option) const override;
};

}  // namespace gemma::app
