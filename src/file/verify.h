// SPDX-License-Identifier: Apache-2.0
// Reads every byte of every tensor and says which hold numbers that are none: a damaged file shows so, and such a
// number in one weight spoils every answer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "file/model_file.h"

namespace gemma {

/** What is wrong with one tensor. */
struct BadValues {
  std::string tensor;
  DType dtype = DType::f32;
  int64_t nan = 0, infinite = 0;  // values of plain types
  int64_t blocks = 0;             // of quantized types: blocks whose scale or minimum is NaN or infinite
  int64_t first = 0;              // index of the first bad value in the tensor
};

/** In file order; empty when all is well. `progress` is told of bytes read, from several threads. Fails when a byte
 *  cannot be read. */
std::vector<BadValues> verify(const ModelFile& file, ThreadPool& pool,
                              const std::function<void(int64_t)>& progress = {});

}  // namespace gemma
