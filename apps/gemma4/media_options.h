// SPDX-License-Identifier: Apache-2.0
// Options that every command with media files has: how a file is prepared, and what its worker may use.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "exchange/media_model.h"
#include "media/worker.h"

namespace gemma::app {

/** What decoding a file may take; 0 and "": the defaults. */
struct MediaLimits {
  std::string max_bytes, max_memory;  // "2GB"
  int64_t max_pixels = 0;
  double max_seconds = 0;
  int64_t cpu_seconds = media::WorkerOptions().cpu_seconds;
};

struct MediaOptions {
  media::PrepareOptions prepare;
  MediaLimits limits;
};

/** Puts the options that were added since the command had `before` of them below a heading of their own in --help. */
void group_media_options(CLI::App& command, size_t before);

/** Options of one kind of file; `options` lives as long as the command. */
void add_media_options(CLI::App& command, MediaOptions& options);

/** What commands with a model let a person say of files of every kind. */
struct MediaSettings {
  MediaSettings();
  /** Of one kind, limits included. */
  MediaOptions of(Medium kind) const;

  media::PrepareOptions image, audio, video;
  MediaLimits limits;  // of all
};

/** --image-budget and the like, as far as they are of files of `kinds`; `settings` lives as long as the command. */
void add_media_settings(CLI::App& command, MediaSettings& settings, const std::vector<Medium>& kinds);

/** What towers of sound are told where sources differ (docs/media.md, Sound). */
struct Hearing {
  bool reference_window = false;  // a frame sees 12 with itself, not 13
  media::FrontEnd front_end = media::FrontEnd::transformers;

  void set(MediaConfig& encoders) const;  // that window, where they have a tower
  void set(MediaModel& model) const;      // and the front end
};
void add_audio_window_option(CLI::App& command, Hearing& hearing);
/** --audio-window and --front-end. */
void add_hearing_options(CLI::App& command, Hearing& hearing);

/** --encoder-cache, which room_of reads. */
void add_encoder_cache_option(CLI::App& command, std::string& size);

/** What decoding one may take, files of every kind together, but for its bytes. `limits` lives as long as the command.
 */
void add_decoding_limits(CLI::App& command, MediaLimits& limits, bool seen, bool heard);
/** The same as a worker is told. */
media::WorkerOptions worker_of(const MediaLimits& limits);

/** Opens a local file, "-" being standard input. Fails with one line, for addresses of the web too. */
File open_file(const std::string& path, const MediaLimits& limits);
/** Decodes it in a worker. */
media::Prepared prepare_file(const File& file, const MediaOptions& options);
media::Prepared prepare_file(const std::string& path, const MediaOptions& options);

}  // namespace gemma::app
