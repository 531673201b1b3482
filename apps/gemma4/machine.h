// SPDX-License-Identifier: Apache-2.0
// How much of the machine a command may take: options that every command with a model has.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>

#include "model/weights.h"

namespace gemma::app {

struct MachineOptions {
  int threads = 0;     // 0: physical cores
  std::string memory;  // "3GB", "80%"; "": what there is
  std::string mmap;    // weights may stay in the file, beyond so many bytes or (kMmapFits) what there is room for
};
inline constexpr std::string_view kMmapFits = "true";  // what the option parser makes of --mmap alone

/** --threads alone, for commands that hold no model. */
void add_threads_option(CLI::App& command, int& threads);
/** --threads, --memory and --mmap. */
void add_machine_options(CLI::App& command, MachineOptions& options);

/** From here on available_memory() keeps to --memory. Fails on what did not come by the command line and cannot be
 *  met; `where`: by which way it came. */
void take_machine_options(const MachineOptions& options, std::string_view where = "options");

/** How weights are loaded; `leave`: the memory that is needed beside them. */
WeightOptions weight_options(const MachineOptions& options, int64_t leave);

}  // namespace gemma::app
