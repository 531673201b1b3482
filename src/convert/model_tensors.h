// SPDX-License-Identifier: Apache-2.0
// Which text tensors a model of a config has, by the reference's names, in the order of the model.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace gemma {

struct ModelTensor {
  std::string name;  // bare reference name (config/names.h)
  Shape shape;
  bool required = true;  // else one that released checkpoints carry and nobody reads: K and V of a shared cache
};

std::vector<ModelTensor> tensors_of(const Config& config);

}  // namespace gemma
