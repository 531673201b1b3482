// SPDX-License-Identifier: Apache-2.0
// A GGUF file that need not exist: its header and what its tensors are made of; the bytes that are asked for are made
// by a function of their place.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "convert/random_tensor.h"
#include "file/gguf_writer.h"
#include "file/metadata.h"
#include "file/model_file.h"

namespace gemma {

/** The bytes of a tensor: random, or as they are. */
struct RandomPart {
  std::unique_ptr<RandomTensor> random;
  std::vector<std::byte> given;  // where there is no `random`
};

template <class T>
RandomPart given_values(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {nullptr, {bytes.begin(), bytes.end()}};
}

/** One part a tensor. */
std::unique_ptr<ByteSource> random_source(std::string name, const Metadata& keys, const std::vector<NewTensor>& tensors,
                                          std::vector<RandomPart> parts);

}  // namespace gemma
