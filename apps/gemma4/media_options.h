// SPDX-License-Identifier: Apache-2.0
// Options that every command with media files has: how a file is prepared, and what its worker may use.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "media/worker.h"

namespace gemma::app {

struct MediaOptions {
  media::PrepareOptions prepare;
  media::WorkerOptions worker;
  std::string max_bytes, max_memory;  // "2GB"
};

/** Options of one kind of file; `options` lives as long as the command. */
void add_media_options(CLI::App& command, MediaOptions& options);

/** Opens and prepares a local file, "-" being standard input. Fails with one line, for addresses of the web too. */
media::Prepared prepare_file(const std::string& path, const MediaOptions& options);

}  // namespace gemma::app
