// SPDX-License-Identifier: Apache-2.0
#include "file/gguf_types.h"

#include <array>
#include <utility>

#include "base/error.h"

namespace gemma {
namespace {

// Numbers of ggml.h, as GGUF files hold them.
constexpr std::array<std::pair<uint32_t, DType>, kDTypes - 1> kRead{{
    {0, DType::f32},
    {1, DType::f16},
    {2, DType::q4_0},
    {3, DType::q4_1},
    {6, DType::q5_0},
    {7, DType::q5_1},
    {8, DType::q8_0},
    {10, DType::q2_k},
    {11, DType::q3_k},
    {12, DType::q4_k},
    {13, DType::q5_k},
    {14, DType::q6_k},
    {20, DType::iq4_nl},
    {23, DType::iq4_xs},
    {26, DType::i32},
    {27, DType::i64},
    {30, DType::bf16},
}};

enum class Why : uint8_t { few_bits, withdrawn, internal, foreign };

struct Refused {
  uint32_t number;
  std::string_view name;
  Why why;
};

constexpr std::array<Refused, 26> kRefused{{
    {4, "Q4_2", Why::withdrawn},        {5, "Q4_3", Why::withdrawn},        {9, "Q8_1", Why::internal},
    {15, "Q8_K", Why::internal},        {16, "IQ2_XXS", Why::few_bits},     {17, "IQ2_XS", Why::few_bits},
    {18, "IQ3_XXS", Why::few_bits},     {19, "IQ1_S", Why::few_bits},       {21, "IQ3_S", Why::few_bits},
    {22, "IQ2_S", Why::few_bits},       {24, "I8", Why::foreign},           {25, "I16", Why::foreign},
    {28, "F64", Why::foreign},          {29, "IQ1_M", Why::few_bits},       {31, "Q4_0_4_4", Why::withdrawn},
    {32, "Q4_0_4_8", Why::withdrawn},   {33, "Q4_0_8_8", Why::withdrawn},   {34, "TQ1_0", Why::few_bits},
    {35, "TQ2_0", Why::few_bits},       {36, "IQ4_NL_4_4", Why::withdrawn}, {37, "IQ4_NL_4_8", Why::withdrawn},
    {38, "IQ4_NL_8_8", Why::withdrawn}, {39, "MXFP4", Why::few_bits},       {40, "NVFP4", Why::few_bits},
    {41, "Q1_0", Why::few_bits},        {42, "Q2_0", Why::few_bits},
}};

std::string_view advice(Why why) {
  switch (why) {
    case Why::few_bits:
      return "is not supported: take the model as Q4_0, Q4_K_M, Q5_K_M, Q6_K, Q8_0 or BF16, or make one of these from "
             "the original checkpoint with 'gemma4 convert'";
    case Why::withdrawn:
      return "has been withdrawn from GGUF: take the model as Q4_0 or IQ4_NL (rows are arranged for this machine when "
             "they are loaded)";
    case Why::internal:
      return "is for intermediate results and does not belong into a file: take the model as Q8_0";
    case Why::foreign:
      break;
  }
  return "occurs in no Gemma model: expected F32, F16, BF16, I32, I64 or a quantized type (docs/files.md)";
}

}  // namespace

std::optional<uint32_t> gguf_number(DType type) {
  for (const auto& [number, dtype] : kRead) {
    if (dtype == type) return number;
  }
  return std::nullopt;
}

std::optional<DType> gguf_dtype(uint32_t number) {
  for (const auto& [n, dtype] : kRead) {
    if (n == number) return dtype;
  }
  return std::nullopt;
}

std::string gguf_refusal(uint32_t number) {
  for (const Refused& r : kRefused) {
    if (r.number == number) return fmt::format("type {} {}", r.name, advice(r.why));
  }
  return fmt::format(
      "unknown type {}: expected a GGUF tensor type (0 to 42; damaged file, or newer than this program?)", number);
}

}  // namespace gemma
