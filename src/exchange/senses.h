// SPDX-License-Identifier: Apache-2.0
// Which encoders of a model are wanted.
//
//   Senses senses = Senses::of(media) & Senses::of(config);   // those that are needed and there
#pragma once

#include "config/media_config.h"
#include "exchange/media.h"

namespace gemma {

struct Senses {
  bool sight = false, hearing = false;

  /** For such a file: a film is seen, and heard where it has sound. */
  static Senses of(Medium medium) { return {medium != Medium::audio, medium != Medium::image}; }
  /** For these, no more. */
  static Senses of(const MediaList& media);
  /** That these encoders are for. */
  static Senses of(const MediaConfig& encoders) { return {encoders.sees(), encoders.hears()}; }

  bool any() const { return sight || hearing; }
  Senses without(Senses other) const { return {sight && !other.sight, hearing && !other.hearing}; }
  Senses& operator|=(Senses other) { return *this = {sight || other.sight, hearing || other.hearing}; }
  friend Senses operator&(Senses a, Senses b) { return {a.sight && b.sight, a.hearing && b.hearing}; }
  bool operator==(const Senses&) const = default;
};

/** `encoders` without those that are not wanted. */
MediaConfig only(MediaConfig encoders, Senses wanted);

}  // namespace gemma
