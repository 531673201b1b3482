// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "config/config.h"
#include "convert/mmproj.h"
#include "convert/model_shapes.h"
#include "convert/random_model.h"
#include "convert/random_source.h"

namespace gemma {
namespace {

constexpr uint64_t kFirstTensor = uint64_t{1} << 32;  // beyond those of any text model of the same seed

bool is_bound(std::string_view name) { return name.ends_with("_min") || name.ends_with("_max"); }

/** Values such that the numbers of an encoder keep to the ranges of a trained one's. */
RandomTensor values_of(uint64_t seed, size_t index, const MediaTensor& t, DType dtype) {
  constexpr float kPlaceSpread = 0.3f;
  constexpr float kSharpness = 0.4f;  // of q and k, which are normed and whose products no scale makes smaller
  const auto fan_in = static_cast<float>(t.to.count() / t.to[0]);
  float centre = 0, spread = 1.0f / std::sqrt(fan_in);
  if (t.name.ends_with(".bias") || t.name.ends_with("std_bias")) {
    spread = kFactorSpread;
  } else if (t.name.ends_with("per_dim_scale")) {
    centre = std::log(2.0f);  // softplus of 0
    spread = kFactorSpread;
  } else if (t.name.ends_with("q_norm.weight") || t.name.ends_with("k_norm.weight")) {
    centre = kSharpness;
    spread = kFactorSpread * kSharpness;
  } else if (t.to.rank == 1) {
    centre = 1;
    spread = kFactorSpread;
  } else if (t.name.find("pos") != std::string::npos && t.to.rank == 3) {
    spread = kPlaceSpread;
  }
  return RandomTensor(seed, kFirstTensor + index, dtype, centre, spread);
}

}  // namespace

std::unique_ptr<ByteSource> random_encoders(std::string_view size, FileType type, uint64_t seed) {
  constexpr float kBound = 20;  // that no activation reaches
  const std::string name = fmt::format("random encoders of {} {}", size, name_of(type));
  const MediaConfig media = MediaConfig::from_json(name, encoder_config_of_size(size));
  const int text_dim = Config::from_json(name, config_of_size(size)).dim;
  const ProcessorConfig processor{.image_budget = 280, .frame_budget = 70, .frames = 32};
  Metadata keys;
  add_mmproj_keys(name, media, processor, text_dim, type, keys);
  std::vector<NewTensor> tensors;
  std::vector<RandomPart> parts;
  for (const MediaTensor& t : media_tensors(media, text_dim)) {
    const NewTensor& tensor = tensors.emplace_back(mmproj_tensor(t, type));
    if (is_bound(t.name)) {
      parts.push_back(given_values(std::vector<float>{t.name.ends_with("_min") ? -kBound : kBound}));
    } else {
      parts.push_back({std::make_unique<RandomTensor>(values_of(seed, tensors.size(), t, tensor.dtype)), {}});
    }
  }
  return random_source(name, keys, tensors, std::move(parts));
}

}  // namespace gemma
