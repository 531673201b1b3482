// SPDX-License-Identifier: Apache-2.0
// Checks of options, in words that a person can read.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace gemma::app {

/** The most that a number of tokens may be. */
inline constexpr int64_t kTokenLimit = 2'147'483'647;

/** A whole number from `least` to `most`, in decimal digits. */
CLI::Validator whole(int64_t least, int64_t most);
/** At least one, and no more tokens than are counted. */
CLI::Validator tokens();
CLI::Validator seeds();

/** A number from `least` to `most`, and never nan. */
CLI::Validator in_range(double least, double most);
/** Bytes as parse_bytes reads them, at most so many, and no share of the memory. */
CLI::Validator sizes(int64_t most);
/** Room for what may be kept, in bytes; "0": nothing is. */
CLI::Validator room();
int64_t room_of(const std::string& size);  // as checked
/** Text that is not empty. */
CLI::Validator not_empty();

}  // namespace gemma::app
