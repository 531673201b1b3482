// SPDX-License-Identifier: Apache-2.0
// Checks of options, in words that a person can read.
#pragma once

#include <CLI/CLI.hpp>

namespace gemma::app {

/** A number from `least` to `most`, and never nan. */
CLI::Validator in_range(double least, double most);
/** A number above 0, and a finite one. */
CLI::Validator positive();
/** 0 or more, and finite. */
CLI::Validator not_negative();
/** Text that is not empty. */
CLI::Validator not_empty();

}  // namespace gemma::app
