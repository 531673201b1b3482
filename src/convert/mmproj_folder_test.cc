// SPDX-License-Identifier: Apache-2.0
// A folder with encoders to a pair of GGUF files and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "config/processor_config.h"
#include "convert/convert.h"
#include "convert/media_tensors.h"
#include "convert/mmproj.h"
#include "file/safetensors_writer.h"
#include "file/testing/files.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

const StreamOptions kQuiet{.threads = 1, .progress = {}, .cancelled = {}};

std::string golden(std::string_view name) { return std::string(GEMMA4_GOLDEN) + "/" + std::string(name); }

std::vector<float> values_of(const ModelFile& file, const TensorRecord& record) {
  std::vector<std::byte> bytes(static_cast<size_t>(record.bytes));
  file.read(record, bytes);
  std::vector<float> values(static_cast<size_t>(record.shape.count()));
  unpack(record.dtype, bytes, values);
  return values;
}

/** `source`, by way of m.gguf and mmproj.gguf, as the folder hf of `temp`. */
ModelFile there_and_back(const ModelFile& source, const TempFolder& temp, FileType type,
                         std::optional<DType> asked = {}) {
  EXPECT_TRUE(Conversion::to_gguf(source, type).run(temp / "m.gguf", kQuiet, true));
  EXPECT_TRUE(Conversion::to_mmproj(source, type)->run(temp / "mmproj.gguf", kQuiet, true));
  const ModelFile text = ModelFile::open(temp / "m.gguf"), encoders = ModelFile::open(temp / "mmproj.gguf");
  EXPECT_TRUE(Conversion::to_folder(text, asked, &encoders).run(temp / "hf", kQuiet, true));
  return ModelFile::open(temp / "hf");
}

void expect_same_encoders(const ModelFile& a, const ModelFile& b) {
  const MediaConfig media = MediaConfig::from(a);
  const Config text = Config::from(a);
  const TensorMap from(a, text), to(b, Config::from(b));
  for (const MediaTensor& t : media_tensors(media, text.dim)) {
    SCOPED_TRACE(t.name);
    const auto x = from.find(t.name), y = to.find(t.name);
    ASSERT_TRUE(x && y);
    EXPECT_EQ(x->shape, y->shape);
    EXPECT_EQ(values_of(a, *x->pieces[0].record), values_of(b, *y->pieces[0].record));
  }
}

class FolderWithEncoders : public ::testing::TestWithParam<const char*> {};

TEST_P(FolderWithEncoders, ComesBackWhole) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden(GetParam()));
  const ModelFile back = there_and_back(source, temp, FileType::f32);
  EXPECT_EQ(back.tensors().front().dtype, DType::f32);
  EXPECT_EQ(back.tensors().size(), source.tensors().size());
  for (const TensorRecord& record : source.tensors()) EXPECT_NE(back.find(record.name), nullptr) << record.name;
  expect_same_encoders(source, back);
  const json::value a = source.side_json("config.json").value(), b = back.side_json("config.json").value();
  EXPECT_EQ(a.at("model_type"), b.at("model_type"));
  EXPECT_EQ(a.at("architectures"), b.at("architectures"));
  for (const char* part : {"vision_config", "audio_config"}) {
    EXPECT_EQ(a.at(part).is_null(), b.at(part).is_null()) << part;
    if (a.at(part).is_null()) continue;
    for (const auto& [key, value] : a.at(part).as_object()) {
      const json::value* found = b.at(part).as_object().if_contains(key);
      EXPECT_EQ(found != nullptr ? *found : value, value) << part << "." << key;
    }
  }
  const MediaConfig media = MediaConfig::from(source);
  const ProcessorConfig wanted = ProcessorConfig::from(source, media), found = ProcessorConfig::from(back, media);
  EXPECT_EQ(found.image_budget.value_or(280), wanted.image_budget.value_or(280));
}

INSTANTIATE_TEST_SUITE_P(Models, FolderWithEncoders,
                         ::testing::Values("mixed", "e_vision", "e_audio", "dense_vision", "moe_vision",
                                           "unified_vision", "unified_audio", "unified_mixed"),
                         [](const ::testing::TestParamInfo<const char*>& name) { return std::string(name.param); });

TEST(MmprojFolder, OfBf16NoBitIsLost) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden("mixed"));
  const ModelFile back = there_and_back(source, temp, FileType::bf16);
  for (const TensorRecord& record : source.tensors()) {
    SCOPED_TRACE(record.name);
    const TensorRecord* found = back.find(record.name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->dtype, DType::bf16);
    EXPECT_EQ(found->shape, record.shape);
    EXPECT_EQ(values_of(source, record), values_of(back, *found));
  }
}

TEST(MmprojFolder, NumbersBeforeSoftplus) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden("e_audio"));
  std::vector<std::pair<std::string, Tensor>> tensors;
  const std::string name = "model.audio_tower.layers.0.self_attn.per_dim_scale";
  const std::vector<float> hard{0.0f, -0.0f, 1e-3f, -20.0f, 30.0f, 100.0f, 0.333984375f, -3.0f};
  for (const TensorRecord& record : source.tensors()) {
    Tensor t = Tensor::host(record.dtype, record.shape);
    source.read(record, t.raw_mutable());
    if (record.name == name) t = Tensor::from(std::span(hard), record.shape);
    tensors.emplace_back(record.name, t);
  }
  std::filesystem::create_directory(temp / "src");
  write_safetensors(temp / "src/model.safetensors", tensors);
  std::filesystem::copy(golden("e_audio") + "/config.json", temp / "src/config.json");
  const ModelFile changed = ModelFile::open(temp / "src");
  const ModelFile back = there_and_back(changed, temp, FileType::f32);
  const std::vector<float> found = values_of(back, *back.find(name));
  for (size_t i = 0; i < hard.size(); ++i) EXPECT_NEAR(found[i], hard[i], 1e-6f + 1e-6f * std::abs(hard[i])) << i;
  EXPECT_EQ(found[0], 0);
  EXPECT_EQ(found[6], hard[6]);  // a number that bf16 holds
}

TEST(MmprojFolder, SaysWhatIsWrong) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden("mixed"));
  there_and_back(source, temp, FileType::bf16);
  const ModelFile text = ModelFile::open(temp / "m.gguf"), encoders = ModelFile::open(temp / "mmproj.gguf");
  EXPECT_THAT(error_of([&] { Conversion::to_folder(text, {}, &text); }), HasSubstr("holds no encoders"));
  // Of another model's width.
  const ModelFile other = ModelFile::open(golden("mmproj/dense_vision.gguf"));
  const auto refused = error_of([&] { folder_tensors(other, MediaConfig::from(other), 7); });
  EXPECT_THAT(refused, HasSubstr("tensor 'mm.input_projection.weight': expected shape [7, "));
}

}  // namespace
}  // namespace gemma
