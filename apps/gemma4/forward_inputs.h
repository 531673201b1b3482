// SPDX-License-Identifier: Apache-2.0
// What `gemma4 forward` reads: prompts in a safetensors file, each a batch of one sequence.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "file/model_file.h"
#include "gemma4/forward_media.h"
#include "kv/batch.h"

namespace gemma::app {

struct ForwardPrompt {
  std::string prefix;             // of output names: "" or "p_long/"
  Batch batch;                    // all rows wanted; no segments yet
  std::vector<ToEncode> pending;  // of media rows without an embedding, in their order
};

/** `prompt` not empty: the tensors "PROMPT/input_ids", .., with outputs unprefixed. Else "input_ids", .., or, where the
 *  file has prefixed names only, every prompt in it. Fails with tensor, expected and found. */
std::vector<ForwardPrompt> read_prompts(const ModelFile& file, const std::string& prompt, const Config& config);

}  // namespace gemma::app
