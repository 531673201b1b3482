// SPDX-License-Identifier: Apache-2.0
// A model of the family's real shapes with random weights: for measuring speed and memory where no checkpoint is at
// hand. It is a GGUF file as `gemma4 convert` would write it (keys, names, a type for each tensor), except that it need
// not exist: the source makes the bytes that are asked for, by a function of their place.
//
//   std::vector<std::unique_ptr<ByteSource>> sources;
//   sources.push_back(random_model({.size = "e2b", .type = FileType::q4_0}));
//   const ModelFile file = ModelFile::open(std::move(sources));
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "convert/file_type.h"
#include "file/model_file.h"

namespace gemma {

struct RandomModelOptions {
  std::string size = {};  // model_shapes.h
  FileType type = FileType::q4_0;
  int layers = 0;              // 0: all
  std::string tokenizer = {};  // tokenizer.json, a folder that has one, or a GGUF; "": a model without a tokenizer
  uint64_t seed = 0;
  bool drafter = false;  // the drafter of a model of this size; it has no tokenizer
};

/** Fails when there is no such size, and when the tokenizer does not fit the model. */
std::unique_ptr<ByteSource> random_model(const RandomModelOptions& options);

/** The mmproj file of such a model: its encoders of pictures and sound with random weights. Matrices are of the type
 * that convert would give them. Fails as wrong usage when there is no such size, or it has none. */
std::unique_ptr<ByteSource> random_encoders(std::string_view size, FileType type, uint64_t seed = 0);

}  // namespace gemma
