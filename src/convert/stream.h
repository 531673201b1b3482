// SPDX-License-Identifier: Apache-2.0
// From stored tensors to new ones, some rows at a time and by all cores, so that no model is too large for the memory.
// Which core does which rows never changes a byte of the result.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "config/tensor_map.h"
#include "file/gguf_writer.h"

namespace gemma {

/** A tensor to be written and where its values come from. */
struct OutputTensor {
  NewTensor tensor;
  StoredTensor from;  // of the same shape; no pieces: `values` are the tensor
  float add = 0;      // to every value (Gemma 3's norms)
  std::vector<float> values;

  /** All of them, as the source has them. */
  std::vector<float> read(const ModelFile& source) const;
};

struct StreamOptions {
  int threads = 0;                        // 0: one per core
  std::function<void(int64_t)> progress;  // bytes of the source done since the last call; from any thread
  std::function<bool()> cancelled;        // asked between pieces of work, from any thread
};

using WriteTensor = std::function<void(size_t tensor, int64_t at, std::span<const std::byte> bytes)>;

/** False when it was cancelled. Fails when a value is not finite or does not fit the new type: with the tensor's name
 * in the source, row and column. */
bool stream(const ModelFile& source, std::span<const OutputTensor> outputs, const StreamOptions& options,
            const WriteTensor& write);

/** Bytes that stream() reads. */
int64_t source_bytes(std::span<const OutputTensor> outputs);

}  // namespace gemma
