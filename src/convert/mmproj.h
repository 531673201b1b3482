// SPDX-License-Identifier: Apache-2.0
// An mmproj file for the encoders of a Hugging Face folder (spec/gguf.md): its keys and tensors, as llama.cpp reads
// them.
#pragma once

#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/media_config.h"
#include "config/processor_config.h"
#include "convert/file_type.h"
#include "convert/media_tensors.h"
#include "convert/stream.h"
#include "file/metadata.h"

namespace gemma {

/** general.* and clip.*. Fails when these have no way to say what the config says; `where` names it in messages. */
void add_mmproj_keys(std::string_view where, const MediaConfig& media, const ProcessorConfig& processor,
                     int64_t text_dim, FileType type, Metadata& keys);

/** A tensor of such a file. Matrices of layers are of the type that `type` is about, bf16 where that is smaller than 8
 *  bits or a row is not whole blocks; all else is f32. */
NewTensor mmproj_tensor(const MediaTensor& tensor, FileType type);

/** All tensors, in the order of the model. Fails when one is missing or has another shape than the config says. */
std::vector<OutputTensor> mmproj_tensors(const ModelFile& source, const MediaConfig& media, const Config& text,
                                         FileType type);

/** The other way: the tensors of an mmproj file as a folder has them, below "model.", in f32. Fails as above. */
std::vector<OutputTensor> folder_tensors(const ModelFile& mmproj, const MediaConfig& media, int64_t text_dim);

}  // namespace gemma
