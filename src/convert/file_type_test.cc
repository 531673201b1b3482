// SPDX-License-Identifier: Apache-2.0
#include "convert/file_type.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"

namespace gemma {
namespace {

/** A model's tensors and what llama_model_quantize chose for them (tests/interop/quantize_types.py). */
class ChoiceGolden : public testing::TestWithParam<std::string> {};

TEST_P(ChoiceGolden, EqualsTheReferenceTensorByTensor) {
  const std::string path = std::string(GEMMA4_GOLDEN) + "/quantize_types/" + GetParam() + ".json";
  const json::value golden = parse_json_or_fail(path, read_file(path));
  std::vector<NewTensor> tensors;
  for (const json::value& row : golden.at("tensors").as_array()) {
    std::vector<int64_t> sizes;
    for (const json::value& size : row.at(1).as_array()) sizes.push_back(size.as_int64());
    tensors.push_back({std::string(row.at(0).as_string()), dtype_named(row.at(2).as_string()).value(),
                       Shape(std::span<const int64_t>(sizes))});
  }
  for (const auto& [name, expected] : golden.at("choices").as_object()) {
    const auto types = choose_types(file_type_named(name).value(), static_cast<int>(golden.at("layers").as_int64()),
                                    static_cast<int>(golden.at("experts").as_int64()), tensors);
    ASSERT_EQ(types.size(), expected.as_array().size());
    for (size_t i = 0; i < types.size(); ++i) {
      EXPECT_EQ(info(types[i]).name, std::string_view(expected.at(i).as_string())) << name << " " << tensors[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ChoiceGolden,
                         testing::Values("e2b", "e4b", "12b", "26b-a4b", "31b", "8-experts", "4-experts-split",
                                         "untied-fused", "odd-widths", "gemma3-270m", "gemma3-1b", "gemma3-4b",
                                         "gemma3-27b"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(FileType, Names) {
  EXPECT_EQ(file_type_named("q4_k_m"), FileType::q4_k_m);
  EXPECT_FALSE(file_type_named("q3_k_m"));
  EXPECT_EQ(name_of(FileType::q5_k_m), "q5_k_m");
  EXPECT_EQ(file_type_names(), "f32, bf16, f16, q8_0, q4_0, q4_k_m, q5_k_m, q6_k");
  EXPECT_EQ(gguf_file_type(FileType::q4_k_m), 15);
}

TEST(FileType, WhatStaysPlain) {
  EXPECT_EQ(unquantized_type("blk.0.attn_norm.weight", Shape{64}, DType::bf16), DType::f32);
  EXPECT_EQ(unquantized_type("blk.0.ffn_gate_inp.weight", Shape{8, 64}, DType::bf16), DType::f32);
  EXPECT_EQ(unquantized_type("blk.0.ffn_down_exps.scale", Shape{8}, DType::bf16), DType::f32);
  EXPECT_EQ(unquantized_type("blk.0.ffn_up.weight", Shape{64, 64}, DType::f16), DType::f16);
  for (const DType source : {DType::f32, DType::bf16, DType::f16}) {  // no bit of it is lost, whatever the file's type
    const NewTensor t{"per_layer_model_proj.weight",
                      unquantized_type("per_layer_model_proj.weight", Shape{64, 64}, source), Shape{64, 64}};
    for (const FileType type : {FileType::bf16, FileType::f16, FileType::q4_k_m}) {
      EXPECT_EQ(choose_types(type, 1, 0, {&t, 1}), std::vector{source});
    }
  }
}

}  // namespace
}  // namespace gemma
