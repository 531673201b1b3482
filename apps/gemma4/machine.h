// SPDX-License-Identifier: Apache-2.0
// How much of the machine a command may take: options that every command with a model has.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>

namespace gemma::app {

struct MachineOptions {
  int threads = 0;     // 0: physical cores
  std::string memory;  // "3GB", "80%"; "": what there is
  bool mmap = false;   // weights stay in the file
};

/** --threads alone, for commands that hold no model. */
void add_threads_option(CLI::App& command, int& threads);
/** --threads, --memory and --mmap. */
void add_machine_options(CLI::App& command, MachineOptions& options);

/** From here on available_memory() keeps to --memory. Fails on what did not come by the command line and cannot be
 *  met; `where`: by which way it came. */
void take_machine_options(const MachineOptions& options, std::string_view where = "options");

}  // namespace gemma::app
