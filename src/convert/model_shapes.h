// SPDX-License-Identifier: Apache-2.0
// The members of the family by name, with the sizes of the released checkpoints: for models without weights of their
// own (random_model.h).
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace gemma {

/** "270m, e2b, ...", for messages. */
std::string model_size_names();

/** What config.json of the model of this size says. `layers`: only so many (0: all of them), whole patterns of sliding
 *  layers and a full one. Fails as wrong usage when there is no such size or number of layers. */
json::object config_of_size(std::string_view size, int layers = 0);
/** The same of its drafter. Known are the sizes of the 12B's; those of the others are like it, with ordered embeddings
 *  for the E models. Fails as wrong usage for the 270M, which has none. */
json::object drafter_config_of_size(std::string_view size);
json::object generation_config_of_size(std::string_view size);
/** vision_config and audio_config of its config.json, as far as it has them. Fails as wrong usage for the 270M, which
 *  has neither. */
json::object encoder_config_of_size(std::string_view size);

}  // namespace gemma
