// SPDX-License-Identifier: Apache-2.0
// The number formats a tensor may hold: plain ones, and the blocks of GGUF files (blocks.h gives their bytes).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gemma {

enum class DType : uint8_t {
  f32,
  bf16,
  f16,
  i32,
  i64,
  u8,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
};
inline constexpr int kDTypes = static_cast<int>(DType::iq4_xs) + 1;

struct DTypeInfo {
  std::string_view name;  // "q4_0"
  int block;              // values per block, 1 for plain types
  int bytes;              // bytes per block
};

const DTypeInfo& info(DType type);
std::optional<DType> dtype_named(std::string_view name);

/** Bytes of `values` consecutive values; values must be a multiple of the block. */
int64_t bytes_of(DType type, int64_t values);

inline bool is_quantized(DType type) { return type >= DType::q8_0; }
/** Whether its values are numbers with a fraction: plain or quantized, no integers. */
inline bool is_float(DType type) { return type <= DType::f16 || is_quantized(type); }

}  // namespace gemma
