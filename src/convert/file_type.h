// SPDX-License-Identifier: Apache-2.0
// What `--type` names, and which type each tensor of such a file gets. The choice is llama.cpp's (llama_model_quantize
// without an importance matrix and with default settings), tensor by tensor, so that a file of ours is what people
// expect under its name: e.g. in q4_k_m the head or tied embedding is q6_k, half of the layers' attn_v and ffn_down
// too, and rows that 256 does not divide fall back (q4_k -> q5_0, q5_k -> q5_1, q6_k -> q8_0).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/gguf_writer.h"

namespace gemma {

enum class FileType : uint8_t { f32, bf16, f16, q8_0, q4_0, q4_k_m, q5_k_m, q6_k };

std::optional<FileType> file_type_named(std::string_view name);
std::string_view name_of(FileType type);
/** "f32, bf16, f16, q8_0, ...", for messages. */
std::string file_type_names();
/** The number that `general.file_type` holds. */
int gguf_file_type(FileType type);

/** One type per tensor. `tensors`: GGUF names; the dtype is the one a tensor keeps when it is not to be changed (norms,
 *  the router, scales, per_layer_model_proj, and all that are not matrices). `layers` and `experts` are the model's
 *  block_count and expert_count. */
std::vector<DType> choose_types(FileType type, int layers, int experts, std::span<const NewTensor> tensors);

/** The type of tensor `name` as long as choose_types does not change it, if its values come as `source`: f32 for norms,
 *  scales and the router; matrices and integers stay as they come. */
DType unquantized_type(std::string_view name, const Shape& shape, DType source);

}  // namespace gemma
