// SPDX-License-Identifier: Apache-2.0
#include "exchange/media_model.h"

#include "base/error.h"

namespace gemma {

MediaModel MediaModel::of(const ModelFile& file) {
  MediaConfig encoders = MediaConfig::from(file);
  ProcessorConfig processor = ProcessorConfig::from(file, encoders);
  return {file.name(), std::move(encoders), processor, std::nullopt};
}

void MediaModel::set(media::PrepareOptions& options) const {
  const bool pictures = options.kind != Medium::audio;
  if (!takes(options.kind)) fail(name, "this model has no encoder of {}", pictures ? "pictures" : "sound");
  if (pictures) {
    options.form = encoders.vision ? media::Form::towers : media::Form::unified;
    if (encoders.vision) options.grid = {encoders.vision->patch, encoders.vision->pool};
    if (encoders.pixel_blocks) options.grid = {encoders.pixel_blocks->side, 1};
  } else {
    options.form = encoders.audio ? media::Form::towers : media::Form::unified;
  }
  options.front_end = front_end.value_or(options.front_end);
  if (options.kind == Medium::video && !encoders.hears()) options.sound = media::FilmSound::none;
  const std::optional<int> budget =
      pictures && options.kind == Medium::video ? processor.frame_budget : processor.image_budget;
  if (options.budget == 0) options.budget = budget.value_or(0);
  if (options.frames.max_frames == 0 && options.frames.tokens == 0)
    options.frames.max_frames = processor.frames.value_or(0);
}

}  // namespace gemma
