// SPDX-License-Identifier: Apache-2.0
// Tensor types of GGUF files by their number: which ones are read, and what to say of those that are not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace gemma {

/** The number that stands for a type in GGUF files; nullopt for u8, which has none. */
std::optional<uint32_t> gguf_number(DType type);

std::optional<DType> gguf_dtype(uint32_t number);

/** Why a number is not read and what to do instead: "type IQ2_XS is not supported: ...". */
std::string gguf_refusal(uint32_t number);

}  // namespace gemma
