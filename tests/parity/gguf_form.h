// SPDX-License-Identifier: Apache-2.0
// A golden checkpoint written as GGUF in memory, without the converter: what its reader must understand by itself.
#pragma once

#include <memory>

#include "config/config.h"
#include "config/drafter_config.h"
#include "file/model_file.h"

namespace gemma::parity {

struct GgufForm {
  DType dtype = DType::f32;  // of matrices whose rows are whole blocks; all else is f32
  bool fused = false;        // attn_qkv instead of q, k and v; gate and up experts apart
};

/** Norms of Gemma 3 get their 1; nothing else changes. */
std::shared_ptr<const ModelFile> as_gguf(const ModelFile& file, const Config& config, GgufForm form);
/** A drafter, which is always plain. */
std::shared_ptr<const ModelFile> as_gguf(const ModelFile& file, const DrafterConfig& config);

}  // namespace gemma::parity
