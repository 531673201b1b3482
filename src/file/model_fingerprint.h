// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fingerprint.h"
#include "file/model_file.h"

namespace gemma {

/** Of what a checkpoint holds, wherever it lies: all that stands before the tensors (settings, tokenizer, names, types
 *  and shapes), config.json, the sizes, and of each tensor the bytes at its beginning, middle and end. Somebody who
 *  changes single weights elsewhere in a tensor gets away with it; training and converting change them all. */
Fingerprint fingerprint_of(const ModelFile& file);

}  // namespace gemma
