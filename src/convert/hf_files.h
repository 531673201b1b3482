// SPDX-License-Identifier: Apache-2.0
// The small files of a Hugging Face folder for a model that comes as GGUF.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "config/config.h"
#include "config/media_config.h"
#include "config/processor_config.h"
#include "file/model_file.h"

namespace gemma {

/** config.json of a text model whose tensors are all of type `dtype`. Fails when it has no way to say what the model
 * is. */
json::object hf_config(std::string_view where, const Config& config, DType dtype);

/** The same of a model with encoders. */
json::object hf_config(std::string_view where, const Config& config, const MediaConfig& media, DType dtype);
/** processor_config.json. */
json::object hf_processor_config(const MediaConfig& media, const ProcessorConfig& processor);

json::object hf_generation_config(const Config& config);

/** tokenizer.json, in pieces, and tokenizer_config.json; false when the GGUF has no tokenizer. */
using WriteText = std::function<void(std::string_view)>;
bool write_hf_tokenizer(const ModelFile& source, const Config& config, const WriteText& tokenizer,
                        const WriteText& tokenizer_config);

}  // namespace gemma
