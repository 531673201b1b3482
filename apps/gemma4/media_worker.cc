// SPDX-License-Identifier: Apache-2.0
// gemma4 media-worker: what other commands start to decode a file apart from themselves.
#include "gemma4/command.h"
#include "media/worker.h"

namespace gemma::app {

void add_media_worker(CLI::App& app) {
  CLI::App* command = app.add_subcommand("media-worker", "Decode a media file, confined (started by other commands)");
  command->footer(
      "Example:\n"
      "  gemma4 preprocess image bike.jpg    starts one; by itself it has nothing to do (docs/media.md)");
  command->callback([] { media::serve_as_worker(); });
}

}  // namespace gemma::app
