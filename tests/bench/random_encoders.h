// SPDX-License-Identifier: Apache-2.0
// Encoders of E2B's shape with random weights (convert/random_model.h), for measuring speed and memory.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "config/config.h"
#include "convert/model_shapes.h"
#include "convert/random_model.h"
#include "model/encoding.h"

namespace gemma {

/** The config of E2B's encoders. layers: of each tower; 0: as many as E2B has. */
inline MediaConfig random_media_config(int layers = 0) {
  MediaConfig config = MediaConfig::from_json("E2B", encoder_config_of_size("e2b"));
  if (layers > 0) config.vision->layers = config.audio->layers = layers;
  return config;
}

inline std::shared_ptr<const Encoders> random_encoders(Ops& ops, FileType type, int layers = 0) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(random_encoders("e2b", type));
  const ModelFile file = ModelFile::open(std::move(sources));
  const Config text = Config::from_json("E2B", config_of_size("e2b"));
  return Encoders::load(file, random_media_config(layers), text, ops);
}

/** Values from 0 to 1: of pixels, or in the place of features. */
inline Tensor random_input(int64_t rows, int64_t cols) {
  Tensor x = Tensor::host(DType::f32, Shape{rows, cols});
  uint32_t state = 1;
  for (float& value : x.data_mutable<float>()) {
    value = static_cast<float>((state = state * 1664525 + 1013904223) >> 8) / 16777216.0f;
  }
  return x;
}

}  // namespace gemma
