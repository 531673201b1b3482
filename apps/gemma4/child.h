// SPDX-License-Identifier: Apache-2.0
// What commands that look at pictures leave behind: files, and work for programs of others that are installed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gemma::app {

/** Writes a file, whole or not at all. */
void write_text(const std::string& path, std::string_view text);

/** Runs a program of the path, no shell between, its stdout thrown away; its exit status. Fails when it is not there
 *  (`package` holds it) or is ended by a signal. */
int run_child(const std::vector<std::string>& command, const std::string& package);

}  // namespace gemma::app
