// SPDX-License-Identifier: Apache-2.0
// mmproj files beside those that llama.cpp's converter wrote of the same checkpoints.
#include "convert/mmproj.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "config/processor_config.h"
#include "convert/convert.h"
#include "file/testing/files.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

std::string golden(std::string_view name) { return std::string(GEMMA4_GOLDEN) + "/" + std::string(name); }

ModelFile made_of(const std::string& name, const std::string& target, FileType type) {
  const ModelFile source = ModelFile::open(golden(name));
  const auto conversion = Conversion::to_mmproj(source, type);
  EXPECT_TRUE(conversion.has_value());
  EXPECT_TRUE(conversion->run(target, {.threads = 1, .progress = {}, .cancelled = {}}));
  return ModelFile::open(target);
}

std::vector<float> values_of(const ModelFile& file, const TensorRecord& record) {
  std::vector<std::byte> bytes(static_cast<size_t>(record.bytes));
  file.read(record, bytes);
  std::vector<float> values(static_cast<size_t>(record.shape.count()));
  unpack(record.dtype, bytes, values);
  return values;
}

class Mmproj : public ::testing::TestWithParam<const char*> {};

TEST_P(Mmproj, TensorsAreThoseOfLlamaCpp) {
  const TempFolder temp;
  const ModelFile made = made_of(GetParam(), temp / "m.gguf", FileType::bf16);
  const ModelFile theirs = ModelFile::open(golden(std::string("mmproj/") + GetParam() + ".gguf"));
  EXPECT_EQ(made.tensors().size(), theirs.tensors().size());
  for (const TensorRecord& expected : theirs.tensors()) {
    SCOPED_TRACE(expected.name);
    const TensorRecord* found = made.find(expected.name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->dtype, expected.dtype);
    ASSERT_EQ(found->shape, expected.shape);
    const std::vector<float> a = values_of(made, *found), b = values_of(theirs, expected);
    const float apart = expected.name.ends_with("per_dim_scale.weight") ? 1e-6f : 0.0f;  // softplus
    for (size_t i = 0; i < b.size(); ++i) ASSERT_LE(std::abs(a[i] - b[i]), apart * std::abs(b[i])) << i;
  }
}

TEST_P(Mmproj, KeysAreThoseOfLlamaCppAndFewMore) {
  const TempFolder temp;
  const ModelFile made = made_of(GetParam(), temp / "m.gguf", FileType::bf16);
  const ModelFile theirs = ModelFile::open(golden(std::string("mmproj/") + GetParam() + ".gguf"));
  for (const Metadata::Entry& expected : theirs.metadata().entries()) {
    SCOPED_TRACE(expected.first);
    if (expected.first == "general.name" || expected.first == "general.size_label") continue;
    const Metadata::Entry* found = made.metadata().entry(expected.first);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->type, expected.type);
    // Of the 12B theirs says 128, which readers replace by the number of samples.
    if (expected.first == "clip.audio.num_mel_bins") continue;
    EXPECT_EQ(found->second, expected.second);
  }
}

TEST(MmprojKeys, NameTheActivationOfTowers) {
  const TempFolder temp;
  EXPECT_EQ(made_of("mixed", temp / "a.gguf", FileType::bf16).metadata().boolean("clip.use_gelu"), true);
  EXPECT_FALSE(made_of("unified_mixed", temp / "b.gguf", FileType::bf16).metadata().entry("clip.use_gelu"));
}

INSTANTIATE_TEST_SUITE_P(Models, Mmproj, ::testing::Values("mixed", "dense_vision", "unified_mixed"),
                         [](const ::testing::TestParamInfo<const char*>& name) { return std::string(name.param); });

TEST(MmprojBudget, IsThatOfTheProcessor) {
  const TempFolder temp;
  for (const auto& [name, budget] : {std::pair{"dense_vision", 140}, std::pair{"unified_mixed", 70}}) {
    const ModelFile made = made_of(name, temp / (std::string(name) + ".gguf"), FileType::bf16);
    EXPECT_EQ(ProcessorConfig::from(made, MediaConfig::from(made)).image_budget, budget) << name;
  }
}

TEST(MmprojTypes, MatricesFollowTheTypeWhereTheyCan) {
  const TempFolder temp;
  const ModelFile q8 = made_of("dense_vision", temp / "q8.gguf", FileType::q8_0);
  EXPECT_EQ(q8.find("v.blk.0.attn_q.weight")->dtype, DType::q8_0);
  EXPECT_EQ(q8.find("v.blk.0.ffn_down.weight")->dtype, DType::bf16);  // rows of 80
  EXPECT_EQ(q8.find("v.blk.0.ln1.weight")->dtype, DType::f32);
  EXPECT_EQ(q8.metadata().integer("general.file_type"), 7);
  const ModelFile q4 = made_of("dense_vision", temp / "q4.gguf", FileType::q4_k_m);
  EXPECT_EQ(q4.find("v.blk.0.attn_q.weight")->dtype, DType::bf16);
  EXPECT_EQ(q4.metadata().integer("general.file_type"), 32);
  EXPECT_EQ(made_of("dense_vision", temp / "f.gguf", FileType::f32).find("v.blk.0.attn_q.weight")->dtype, DType::f32);
  EXPECT_EQ(made_of("dense_vision", temp / "h.gguf", FileType::f16).find("v.blk.0.attn_q.weight")->dtype, DType::f16);
}

TEST(MmprojTypes, ModelsWithoutEncodersHaveNone) {
  EXPECT_FALSE(Conversion::to_mmproj(ModelFile::open(golden("e_text")), FileType::bf16));
  EXPECT_FALSE(Conversion::to_mmproj(ModelFile::open(golden("mmproj/mixed.gguf")), FileType::bf16));
}

TEST(MmprojTypes, WhatHasNoKeyIsRefused) {
  const ModelFile source = ModelFile::open(golden("mixed"));
  const Config text = Config::from(source);
  const auto refused = [&](auto change) {
    MediaConfig media = MediaConfig::from(source);
    change(media);
    Metadata keys;
    return error_of([&] { add_mmproj_keys("m", media, {}, text.dim, FileType::bf16, keys); });
  };
  EXPECT_THAT(refused([](MediaConfig& m) { m.vision->theta = 1000; }),
              HasSubstr("rope_theta: expected 100, since mmproj files have no key for it, found 1000"));
  EXPECT_THAT(refused([](MediaConfig& m) { m.audio->distances = 12; }), HasSubstr("attention_context_left"));
  EXPECT_THAT(refused([](MediaConfig& m) { m.audio->logit_cap = 30; }), HasSubstr("attention_logit_cap"));
}

}  // namespace
}  // namespace gemma
