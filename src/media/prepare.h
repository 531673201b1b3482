// SPDX-License-Identifier: Apache-2.0
// A media file made ready for a model: decoded, resized or resampled, cut into what encoders take in. What a worker
// process does (media/worker.h), as one function of a file and settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/medium.h"
#include "file/model_file.h"
#include "media/film.h"
#include "media/image.h"
#include "media/image_size.h"
#include "media/mel.h"
#include "media/resize.h"
#include "media/sound.h"
#include "tensor/tensor.h"

namespace gemma::media {

using Kind = Medium;  // as it was called
/** What the model has. towers: patches of 16 pixels, mel features. unified: whole cells, raw frames (12B). */
enum class Form : uint8_t { towers, unified };
/** Where a film's sound goes. aligned: cut at the times of its frames. after: the whole, behind the frames, as the
 *  reference has it. none: left out. */
enum class FilmSound : uint8_t { aligned, after, none };

/** When a sound file is cut, where it is quietest (media/pauses.h). limit: where a tower hears no more at a time.
 *  pauses: in pieces of at most piece_seconds, whatever the model. */
enum class Cut : uint8_t { limit, pauses };

struct PrepareOptions {
  Medium kind = Medium::image;
  Form form = Form::towers;
  int budget = 0;  // of soft tokens for a picture or frame; 0: the default of its kind; kAutoBudget for pictures
  Grid grid;
  Alpha alpha = Alpha::white;
  bool turn = true;
  bool whole = false;  // of a picture: its pixels, too, as they are seen: image0.rgb_u8 [height, width, 3]
  ResizeRule resize = ResizeRule::torch;
  FrontEnd front_end = FrontEnd::transformers;
  FrameRule frames;
  FilmSound sound = FilmSound::aligned;
  Cut cut = Cut::limit;
  double piece_seconds = 30;  // 2 to 30
  bool wave = true;           // whether the samples themselves are among the arrays
  // 0: the default of the kind.
  int64_t max_bytes = 0, max_pixels = 0;
  double max_seconds = 0;
};

/** Names as in the goldens: image0.patches_u8, image0.positions_xy; video.patches_u8 [frames, …]; audioN.features,
 *  audioN.mask, and audioN.wave of a sound file. */
struct Array {
  std::string name;
  Tensor values;
};

struct Prepared {
  json::object facts;  // format, sizes, soft tokens, times: docs/media.md
  std::vector<Array> arrays;
};

Prepared prepare(const ByteSource& source, const PrepareOptions& options);

/** Settings as a worker is told them, and back; reading checks every field. */
json::object to_json(const PrepareOptions& options);
PrepareOptions options_from(const json::object& object);

}  // namespace gemma::media
