// SPDX-License-Identifier: Apache-2.0
#include "exchange/senses.h"

namespace gemma {

Senses Senses::of(const MediaList& media) {
  Senses senses;
  for (const auto& each : media) {
    for (const MediaBlock& block : each->item.blocks) {  // frames are of their film, and only seen
      (block.medium == Medium::audio ? senses.hearing : senses.sight) = true;
    }
  }
  return senses;
}

MediaConfig only(MediaConfig encoders, Senses wanted) {
  if (!wanted.sight) encoders.vision.reset(), encoders.pixel_blocks.reset();
  if (!wanted.hearing) encoders.audio.reset(), encoders.sample_frames.reset();
  return encoders;
}

}  // namespace gemma
