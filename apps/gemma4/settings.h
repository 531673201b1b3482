// SPDX-License-Identifier: Apache-2.0
// Defaults people set once: $XDG_CONFIG_HOME/gemma4/config.toml (~/.config/gemma4/config.toml). Options given on the
// command line win.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gemma::app {

struct Settings {
  std::optional<std::string> model, system, chat_template, memory, kv;
  std::optional<double> temperature, top_p, min_p;
  std::optional<int64_t> top_k, seed, max_tokens, context, threads, think;  // think: thought tokens, 0 = no limit
};

/** What the file says; all empty where there is none. Fails on a key it does not know and on a wrong type, with line.
 */
Settings load_settings();

/** The folder for what the program remembers (history), made when it is missing; "" where there is no home. */
std::string state_folder();

}  // namespace gemma::app
