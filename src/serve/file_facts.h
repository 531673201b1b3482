// SPDX-License-Identifier: Apache-2.0
// What a client can be told of a model's file.
#pragma once

#include <cstdint>
#include <string>

#include "file/model_file.h"

namespace gemma::serve {

struct FileFacts {
  std::string format;        // "gguf", "safetensors"
  std::string quantization;  // "Q4_K_M", or the type of most of its bytes
  std::string digest;        // 64 hexadecimal digits, the same for the same tensors at the same places; nothing is read
  int64_t parameters = 0, bytes = 0;
};

FileFacts facts_of(const ModelFile& file);

/** "268.1M", "4.6B". */
std::string spoken_size(int64_t parameters);

}  // namespace gemma::serve
