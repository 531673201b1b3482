// SPDX-License-Identifier: Apache-2.0
// How a model wants its files prepared.
#pragma once

#include <optional>
#include <string>

#include "config/media_config.h"
#include "config/processor_config.h"
#include "file/model_file.h"
#include "media/prepare.h"

namespace gemma {

struct MediaModel {
  std::string name;  // for messages
  MediaConfig encoders;
  ProcessorConfig processor;
  std::optional<media::FrontEnd> front_end;  // of its sound, where somebody has chosen; no file says which

  /** Of a checkpoint's folder, or of an mmproj file. */
  static MediaModel of(const ModelFile& file);

  /** Whether it has an encoder for the kind. A film is seen at least. */
  bool takes(Medium kind) const { return kind == Medium::audio ? encoders.hears() : encoders.sees(); }
  /** Sets what the model decides (the form of its inputs), the front end if it is chosen and, where they have not been
   * set, what it recommends (budget, number of frames). Fails when it has no encoder for the kind. */
  void set(media::PrepareOptions& options) const;
};

}  // namespace gemma
