// SPDX-License-Identifier: Apache-2.0
// Which tensors a checkpoint of a config has, by the reference's names, and where a file keeps them.
#pragma once

#include <string>
#include <vector>

#include "config/drafter_config.h"
#include "config/tensor_map.h"

namespace gemma {

struct ItemOfModel {
  std::string name;  // bare reference name (config/names.h)
  StoredTensor stored;
};

struct ExpectedTensor {
  std::string name;  // bare reference name
  Shape shape;
  bool required = true;  // false: K and V of layers that share a cache, which released files carry all the same
};

/** The text tensors that a checkpoint of this config has, in the order of the model. */
std::vector<ExpectedTensor> expected_tensors(const Config& config);
/** The same of a drafter. */
std::vector<ExpectedTensor> expected_tensors(const DrafterConfig& drafter);

/** All text tensors of `file` in the order of the model. Fails when one is missing or has another shape than the config
 *  says. Tensors that the model does not need but released files carry (K and V of layers that share a cache) are among
 *  them where the file has them. */
std::vector<ItemOfModel> inventory(const ModelFile& file, const Config& config);
/** The same of a drafter. */
std::vector<ItemOfModel> inventory(const ModelFile& file, const DrafterConfig& drafter);

/** Names of tensors of `file` that are not in `items`: those of vision and audio, and unknown ones. Safetensors only.
 */
std::vector<std::string> left_out(const ModelFile& file, const std::vector<ItemOfModel>& items);

}  // namespace gemma
