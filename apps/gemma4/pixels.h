// SPDX-License-Identifier: Apache-2.0
// A picture again, for those who show it: its pixels, or its file as browsers take it.
#pragma once

#include <string>

#include "base/json.h"
#include "exchange/media_facts.h"
#include "gemma4/beside.h"
#include "gemma4/media_options.h"
#include "media/image.h"

namespace gemma::app {

/** Width or height of a picture, in pixels. */
int side(const Facts& facts, std::string_view key);

/** The picture as it is seen, decoded by a worker. */
media::Pixels pixels_of(const std::string& path, const MediaSettings& settings);

/** A picture's file where browsers show its format, else its pixels as a BMP. */
struct ShownFile {
  std::string_view type;
  std::string bytes;
  int width = 0, height = 0;  // as it is seen
  ShownPicture picture() const { return {type, bytes, width, height}; }
};
ShownFile shown_file(const std::string& path, const json::object& said, const MediaSettings& settings);

}  // namespace gemma::app
