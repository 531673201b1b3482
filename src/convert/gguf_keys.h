// SPDX-License-Identifier: Apache-2.0
// The keys of a GGUF file for a checkpoint that comes as a Hugging Face folder (spec/gguf.md).
#pragma once

#include <string_view>
#include <vector>

#include "config/drafter_config.h"
#include "convert/file_type.h"
#include "file/metadata.h"
#include "file/model_file.h"

namespace gemma {

/** general.* and the model's sizes. Fails when GGUF has no way to say what the config says. Without an architecture it
 *  is that of the generation. */
void add_model_keys(const ModelFile& source, const Config& config, Metadata& keys, std::string_view architecture = {});
/** The same of a drafter. */
void add_drafter_keys(const ModelFile& source, const DrafterConfig& drafter, Metadata& keys);

/** What types the tensors have: general.file_type, general.quantization_version. */
void add_file_type_keys(FileType type, Metadata& keys);

/** The divisors of the full layers' RoPE frequencies, which GGUF keeps as the tensor rope_freqs.weight: the factor for
 * a rotated pair, 1e30 for one that is not rotated. Empty for Gemma 3, which rotates all. */
std::vector<float> rope_divisors(const Config& config);

/** tokenizer.*: from tokenizer.json, tokenizer_config.json and the chat template of the folder. False, and a file
 * without a tokenizer, when there is no tokenizer.json. */
bool add_tokenizer_keys(const ModelFile& source, const Config& config, Metadata& keys);

/** Whether it is a token of Gemma 4 that other programs must print, since they read tool calls and thoughts out of the
 *  text. */
bool is_printed_token(std::string_view piece);

/** Gives the special tokens of Gemma 4 their places in a tokenizer of Gemma 3, which has the same pieces else, and a
 *  chat template that uses them. A tokenizer that knows them stays as it is. */
void name_gemma4_tokens(Metadata& keys);

}  // namespace gemma
