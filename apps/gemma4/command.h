// SPDX-License-Identifier: Apache-2.0
// The subcommands of the program: one file each, one function each. A function adds its subcommand with options, help
// and examples to `app`; its callback does the work, throws gemma::Error for bad input (exit 1) and returns otherwise.
// A command whose exit status is neither 0 nor 1 throws CLI::RuntimeError(status).
#pragma once

#include <CLI/CLI.hpp>

namespace gemma::app {

void add_chat_format(CLI::App& app);
void add_convert(CLI::App& app);
void add_forward(CLI::App& app);
void add_info(CLI::App& app);
void add_run(CLI::App& app);
void add_tokenize(CLI::App& app);

}  // namespace gemma::app
