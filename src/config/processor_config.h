// SPDX-License-Identifier: Apache-2.0
// How a checkpoint wants its pictures, films and sound prepared: processor_config.json, or the older files that say a
// part of it each, or the keys of an mmproj file. What is done in one way only is checked to be said so.
#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"
#include "config/media_config.h"
#include "file/model_file.h"

namespace gemma {

/** What is not said is left to the reader's defaults. */
struct ProcessorConfig {
  std::optional<int> image_budget, frame_budget;  // soft tokens of a picture, of a frame of a film
  std::optional<int> frames;                      // of a film at most

  /** Of a checkpoint whose encoders are `media`. Fails with file, key, expected and found where the files want what
   *  these encoders, or this program, cannot do. */
  static ProcessorConfig from(const ModelFile& file, const MediaConfig& media);
  /** Of processor_config.json. `where` names it in messages. */
  static ProcessorConfig from_json(std::string_view where, const json::value& config, const MediaConfig& media);
};

}  // namespace gemma
