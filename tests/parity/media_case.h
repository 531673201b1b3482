// SPDX-License-Identifier: Apache-2.0
// Prompts with pictures, film and sound: from stored patches and features to soft tokens in their places.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "golden.h"
#include "kv/batch.h"
#include "model/encoder_weights.h"
#include "model/encoding.h"
#include "model/single.h"

namespace gemma::parity {

/** A text model and its encoders, as tests load them. */
struct MediaModel {
  std::shared_ptr<const Model> text;
  std::shared_ptr<const Encoders> encoders;
};

/** How far back a frame of sound sees: as the reference, which the goldens follow, or one frame farther, as models were
 *  trained (spec section 14.1). */
enum class AudioWindow { reference, trained };

MediaModel load_media(const std::string& folder, const std::string& config, bool widen,
                      AudioWindow window = AudioWindow::reference);

/** Token types of the goldens. */
enum class Kind : int32_t { text = 0, image = 1, video = 2, audio = 3 };

/** Soft tokens of a prompt by kind, one tensor for each picture, frame or clip, in order. */
using SoftTokens = std::map<Kind, std::vector<Tensor>>;

/** What encoders read for a prompt, by kind, in order. */
using MediaInputs = std::map<Kind, std::vector<MediaInput>>;
MediaInputs media_inputs(const Case& golden_case, const std::string& prompt);

/** What the encoders of `model` make of a prompt's pictures, frames and clips. */
SoftTokens encode(const MediaModel& model, const Case& golden_case, const std::string& prompt);

/** The rows of a prompt, soft tokens in their places; all wanted. A failure of the test where they do not fit. */
Batch media_batch(const Case& golden_case, const std::string& prompt, const SoftTokens& soft);

/** One after another. */
Tensor stacked(const std::vector<Tensor>& parts);
/** Part n of a golden that is [parts, rows with padding, cols]: its first rows. */
Tensor part_of(const Tensor& padded, size_t n, int64_t rows);

}  // namespace gemma::parity
