// SPDX-License-Identifier: Apache-2.0
// Options that every command with media files has: how a file is prepared, and what its worker may use.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "media/worker.h"

namespace gemma::app {

struct MediaOptions {
  media::PrepareOptions prepare;
  media::WorkerOptions worker;
  std::string max_bytes, max_memory;  // "2GB"
};

/** Options of one kind of file; `options` lives as long as the command. */
void add_media_options(CLI::App& command, MediaOptions& options);

/** What commands with a model let a person say of files of every kind. */
struct MediaSettings {
  MediaSettings();
  /** Of one kind, limits included. */
  MediaOptions of(media::Kind kind) const;

  MediaOptions image, audio, video;
  MediaOptions limits;  // of all
};

/** --image-budget and the like, as far as they are of files of `kinds`; `settings` lives as long as the command. */
void add_media_settings(CLI::App& command, MediaSettings& settings, const std::vector<media::Kind>& kinds);

/** Opens and prepares a local file, "-" being standard input. Fails with one line, for addresses of the web too. */
media::Prepared prepare_file(const std::string& path, const MediaOptions& options);

}  // namespace gemma::app
