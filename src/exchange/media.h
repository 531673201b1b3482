// SPDX-License-Identifier: Apache-2.0
// From arrays (media/prepare.h) to what a prompt takes: soft tokens in their places, what they are made of, and a hash
// of what they show.
//
//   model.set(options);                                     // form, grid and budget (media_model.h)
//   Prepared arrays = media::prepare_apart(file, options, worker);
//   auto media = std::make_shared<const Media>(media_of("bike.jpg", options.kind, arrays, encoders));
//   Exchange::chat(speaker, messages, {media}, answer);     // messages have a part of its type
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/media_places.h"
#include "config/media_config.h"
#include "media/prepare.h"
#include "model/encoding.h"

namespace gemma {

/** A picture, sound or film, ready for a model. */
struct Media {
  std::string name;  // for messages
  MediaItem item;
  std::vector<MediaInput> inputs;  // one a block
  std::vector<uint64_t> contents;  // the same: hashes of what they show, never 0
  json::object facts;              // docs/media.md
};
using MediaList = std::vector<std::shared_ptr<const Media>>;

/** Fails with `name` where arrays are not what these encoders take. */
Media media_of(std::string name, Medium medium, const media::Prepared& prepared, const MediaConfig& encoders);

/** Each clip of sound by itself, in order. */
MediaList clips_of(const Media& sound);

/** Such a part of a message as the templates take: {"type": "image"}. */
json::object media_part(Medium medium);
/** What may be said of it as JSON: its name, kind and facts, soft tokens among them. */
json::object to_json(const Media& media);

}  // namespace gemma
