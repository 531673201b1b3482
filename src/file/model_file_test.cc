// SPDX-License-Identifier: Apache-2.0
#include "file/model_file.h"

#include <gmock/gmock.h>

#include "file/testing/files.h"

namespace gemma {
namespace {

using ::testing::AllOf;
using testing::error_of;
using testing::GgufBytes;
using ::testing::HasSubstr;
using testing::raw;
using testing::safetensors_bytes;
using ::testing::StartsWith;
using testing::TempFolder;

/** A file with tensors of one u8 each. */
std::string shard(const std::vector<std::string>& names) {
  std::string header;
  for (size_t i = 0; i < names.size(); ++i) {
    header += fmt::format(R"({}"{}": {{"dtype": "U8", "shape": [1], "data_offsets": [{}, {}]}})", i ? ", " : "{",
                          names[i], i, i + 1);
  }
  return safetensors_bytes(header + "}", std::string(names.size(), 'x'));
}

std::string open_error(const std::string& path) {
  return error_of([&] { ModelFile::open(path); });
}

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

void write_shards(const TempFolder& folder, const std::string& weight_map) {
  folder.write(kFirst, shard({"a", "b"}));
  folder.write(kSecond, shard({"c"}));
  folder.write(kIndex, "{\"metadata\": {}, \"weight_map\": {" + weight_map + "}}");
}

constexpr const char* kGoodMap = R"("a": "model-00001-of-00002.safetensors", "b": "model-00001-of-00002.safetensors",
                                    "c": "model-00002-of-00002.safetensors")";

TEST(ModelFile, OpensAFolderWithOneFile) {
  TempFolder folder;
  folder.write("model.safetensors", shard({"a"}));
  folder.write("config.json", R"({"model_type": "gemma3_text"})");
  const ModelFile file = ModelFile::open(folder.path());
  EXPECT_EQ(file.name(), folder.path());
  EXPECT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.total_bytes(), file.source(0).size());
  EXPECT_EQ(file.side_json("config.json")->at("model_type"), "gemma3_text");
  EXPECT_EQ(file.side_file("tokenizer.json"), std::nullopt);
  EXPECT_EQ(ModelFile::open(folder.path() + "/").tensors().size(), 1u);
  EXPECT_EQ(ModelFile::open(folder / "model.safetensors").side_file("config.json").has_value(), true);
}

TEST(ModelFile, OpensShardsByFolderIndexAndShard) {
  TempFolder folder;
  write_shards(folder, kGoodMap);
  for (const std::string& path : {folder.path(), folder / kIndex, folder / kFirst, folder / kSecond}) {
    const ModelFile file = ModelFile::open(path);
    EXPECT_EQ(file.sources(), 2);
    EXPECT_EQ(file.tensors().size(), 3u);
    EXPECT_EQ(file.source(file.find("c")->source).name(), folder / kSecond);
    std::vector<std::byte> byte(1);
    file.read(*file.find("c"), byte);
    EXPECT_EQ(byte[0], std::byte{'x'});
  }
}

TEST(ModelFile, RefusesShardsThatDisagree) {
  const std::string first = R"("a": "model-00001-of-00002.safetensors", )";
  const std::string third = R"("c": "model-00002-of-00002.safetensors")";
  TempFolder folder;
  write_shards(folder, first + third);
  EXPECT_THAT(open_error(folder.path()),
              AllOf(StartsWith(folder / kFirst), HasSubstr("tensor 'b' is not in the index")));
  write_shards(folder, first + R"("b": "model-00002-of-00002.safetensors", )" + third);
  EXPECT_THAT(open_error(folder.path()),
              AllOf(StartsWith(folder / kIndex), HasSubstr("weight_map: tensor 'b': expected in 'model-00002-of-00002."
                                                           "safetensors', found in '")));
  write_shards(folder, std::string(kGoodMap) + R"(, "d": "model-00002-of-00002.safetensors")");
  EXPECT_THAT(open_error(folder.path()),
              HasSubstr("weight_map: tensor 'd' is not in 'model-00002-of-00002.safetensors'"));
  write_shards(folder, kGoodMap);
  folder.write(kSecond, shard({"c", "a"}));
  EXPECT_THAT(open_error(folder.path()), HasSubstr("tensor 'a' occurs twice (also in " + (folder / kFirst) + ")"));
  std::filesystem::remove(folder / kSecond);
  EXPECT_EQ(open_error(folder.path()), (folder / kSecond) + ": cannot open: No such file or directory");
}

TEST(ModelFile, RefusesBadIndexes) {
  TempFolder folder;
  const auto with = [&](const std::string& text) {
    folder.write(kIndex, text);
    return open_error(folder / kIndex);
  };
  EXPECT_THAT(with(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(with("[]"), HasSubstr("expected an object 'weight_map'"));
  EXPECT_THAT(with(R"({"weight_map": 1})"), HasSubstr("expected an object 'weight_map'"));
  EXPECT_THAT(with(R"({"weight_map": {}})"), HasSubstr("weight_map names no tensor"));
  EXPECT_THAT(with(R"({"weight_map": {"a": 1}})"), HasSubstr("tensor 'a': expected the name of a file"));
  EXPECT_THAT(with(R"({"weight_map": {"a": "../x.safetensors"}})"), HasSubstr("same folder, found '../x.safetensors'"));
  EXPECT_THAT(with(R"({"weight_map": {"a": "/etc/passwd"}})"), HasSubstr("same folder, found '/etc/passwd'"));
  EXPECT_THAT(with(R"({"weight_map": {"a": ".."}})"), HasSubstr("found '..'"));
}

TEST(ModelFile, AShardWithoutItsIndexIsRefused) {
  TempFolder folder;
  folder.write(kFirst, shard({"a"}));
  EXPECT_THAT(open_error(folder / kFirst), HasSubstr("is one of 2 shards: expected their index "));
}

/** Part `number` of `count` with one tensor. */
std::string part(int number, int count, int tensors, const std::string& tensor) {
  GgufBytes g;
  g.keys = {GgufBytes::key("split.no", 2, raw(static_cast<uint16_t>(number))),
            GgufBytes::key("split.count", 2, raw(static_cast<uint16_t>(count))),
            GgufBytes::key("split.tensors.count", 5, raw(static_cast<int32_t>(tensors)))};
  if (number == 0) g.keys.push_back(GgufBytes::key("general.architecture", 8, GgufBytes::text("gemma4")));
  g.tensors = {{tensor, {8}, 0, 0}};
  g.data = std::string(32, static_cast<char>('0' + number));
  return g.str();
}

TEST(ModelFile, OpensSplitGguf) {
  TempFolder folder;
  for (int i = 0; i < 3; ++i) {
    folder.write(fmt::format("m-{:05}-of-00003.gguf", i + 1), part(i, 3, 3, fmt::format("t{}", i)));
  }
  for (const std::string& path : {folder / "m-00001-of-00003.gguf", folder.path()}) {
    const ModelFile file = ModelFile::open(path);
    EXPECT_EQ(file.sources(), 3);
    EXPECT_EQ(file.tensors().size(), 3u);
    EXPECT_EQ(file.metadata().string("general.architecture"), "gemma4");
    EXPECT_EQ(file.metadata().find("split.count"), nullptr);
    std::vector<std::byte> bytes(32);
    file.read(*file.find("t2"), bytes);
    EXPECT_EQ(bytes[31], std::byte{'2'});
  }
  EXPECT_EQ(open_error(folder / "m-00002-of-00003.gguf"), (folder / "m-00002-of-00003.gguf") +
                                                              ": is part 2 of 3: open "
                                                              "the first, " +
                                                              (folder / "m-00001-of-00003.gguf"));
  std::filesystem::remove(folder / "m-00003-of-00003.gguf");
  EXPECT_THAT(open_error(folder.path()), HasSubstr("m-00003-of-00003.gguf: cannot open: No such file"));
}

TEST(ModelFile, ForgetsTheVocabularyAndNothingElse) {
  GgufBytes bytes;
  bytes.keys = {GgufBytes::key("general.architecture", 8, GgufBytes::text("gemma4")),
                GgufBytes::key("tokenizer.ggml.model", 8, GgufBytes::text("gemma4")),
                GgufBytes::array("tokenizer.ggml.tokens", 8, 2, GgufBytes::text("a") + GgufBytes::text("b"))};
  ModelFile file = bytes.open();
  ASSERT_NE(file.metadata().strings("tokenizer.ggml.tokens"), nullptr);
  file.forget_vocabulary();
  EXPECT_EQ(file.metadata().strings("tokenizer.ggml.tokens"), nullptr);
  EXPECT_EQ(file.metadata().string("tokenizer.ggml.model"), "gemma4");
  EXPECT_EQ(file.metadata().string("general.architecture"), "gemma4");
}

TEST(ModelFile, RefusesPartsThatDisagree) {
  const auto with = [](const std::vector<std::string>& parts) {
    return error_of([&] {
      std::vector<std::unique_ptr<ByteSource>> sources;
      for (size_t i = 0; i < parts.size(); ++i) {
        sources.push_back(memory_source(fmt::format("m{}", i), testing::to_bytes(parts[i])));
      }
      ModelFile::open(std::move(sources));
    });
  };
  EXPECT_THAT(with({part(0, 2, 1, "a")}), HasSubstr("m0: key 'split.count': the model has 2 parts, found 1"));
  EXPECT_THAT(with({part(0, 2, 2, "a"), part(0, 2, 2, "b")}), HasSubstr("m1: key 'split.no': expected part 1 "));
  EXPECT_THAT(with({part(0, 2, 2, "a"), part(1, 3, 2, "b")}),
              HasSubstr("m1: key 'split.count': the model has 3 parts"));
  EXPECT_THAT(with({part(0, 2, 2, "a"), part(1, 2, 5, "b")}),
              HasSubstr("m1: key 'split.tensors.count': the parts disagree"));
  EXPECT_THAT(with({part(0, 2, 3, "a"), part(1, 2, 3, "b")}), HasSubstr("expected 3 tensors in all parts, found 2"));
  EXPECT_THAT(with({part(0, 2, 2, "a"), part(1, 2, 2, "a")}), HasSubstr("m1: tensor 'a' occurs twice (also in m0)"));
  EXPECT_THAT(with({part(0, 2, 2, "a"), shard({"b"})}), HasSubstr("m1: expected the same format as m0"));
}

TEST(ModelFile, SaysWhatAnotherFileIs) {
  TempFolder folder;
  const auto with = [&](const std::string& bytes, const std::string& name = "model.bin") {
    return open_error(folder.write(name, bytes));
  };
  EXPECT_EQ(with(""), (folder / "model.bin") + ": the file is empty: expected GGUF or safetensors");
  EXPECT_THAT(with("PK\x03\x04 and so on"), HasSubstr("a PyTorch checkpoint (or another ZIP or pickle file) is not "));
  EXPECT_THAT(with("\x80\x02}q"), HasSubstr("a PyTorch checkpoint"));
  EXPECT_THAT(with("\x08\x08\x12\x07pytorch", "m.onnx"),
              HasSubstr("an ONNX model is not supported: take the original"));
  EXPECT_THAT(with("lmgg...."), HasSubstr("a GGML file from before GGUF ('ggml')"));
  EXPECT_THAT(with("\x1f\x8b\x08"), HasSubstr("a gzip archive: unpack it first"));
  EXPECT_THAT(with("\x89HDF\r\n"), HasSubstr("an HDF5 checkpoint is not supported"));
  EXPECT_THAT(with("LITERTLM"), HasSubstr("a LiteRT model is not supported"));
  EXPECT_THAT(with("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("fetch it with 'git lfs pull'"));
  EXPECT_THAT(with("<!DOCTYPE html>"), HasSubstr("a web page and not a model"));
  EXPECT_THAT(with("abc"), HasSubstr("found a file that starts with bytes 61 62 63"));
  EXPECT_EQ(open_error(folder / "none.gguf"), (folder / "none.gguf") + ": cannot open: No such file or directory");
}

TEST(ModelFile, RefusesFoldersWithoutOneModel) {
  TempFolder folder;
  folder.write("config.json", "{}");
  EXPECT_THAT(open_error(folder.path()), HasSubstr("no model in this folder: expected model.safetensors, "));
  folder.write("pytorch_model.bin", "PK");
  EXPECT_THAT(open_error(folder.path()), HasSubstr("found pytorch_model.bin: this format is not supported"));
  folder.write("b.gguf", "");
  folder.write("mmproj-b.gguf", "");
  EXPECT_THAT(open_error(folder.path()), StartsWith((folder / "b.gguf") + ": the file is empty"));
  folder.write("c.gguf", "");
  EXPECT_THAT(open_error(folder.path()), HasSubstr("the folder holds 2 models (b.gguf, c.gguf): name the file"));
}

std::string config_error(const std::string& config) {
  return error_of([&] { testing::open_bytes(shard({"a"}), "m.safetensors", {{"config.json", config}}); });
}

TEST(ModelFile, RefusesQuantizedCheckpointsByName) {
  const std::pair<const char*, const char*> methods[] = {{"gptq", "GPTQ"},
                                                         {"awq", "AWQ"},
                                                         {"fp8", "FP8"},
                                                         {"compressed-tensors", "compressed-tensors"},
                                                         {"bitsandbytes", "bitsandbytes"},
                                                         {"mxfp4", "MXFP4"},
                                                         {"NVFP4", "NVFP4"},
                                                         {"something", "'something'"}};
  for (const auto& [method, name] : methods) {
    EXPECT_EQ(config_error(fmt::format(R"({{"quantization_config": {{"quant_method": "{}"}}}})", method)),
              fmt::format("m.safetensors: weights quantized by {} are not supported: take the original BF16 checkpoint "
                          "(and make it small with 'gemma4 convert'), or a GGUF file",
                          name));
  }
  EXPECT_THAT(config_error(R"({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}})"),
              HasSubstr("by NVFP4"));
  EXPECT_THAT(config_error(R"({"quantization": {"group_size": 64, "bits": 4}})"), HasSubstr("by MLX"));
  EXPECT_THAT(config_error(R"({"text_config": {"quantization_config": {"quant_method": "awq"}}})"),
              HasSubstr("by AWQ"));
  EXPECT_THAT(config_error("{"), StartsWith("config.json: line 1, column 2"));
  EXPECT_EQ(testing::open_bytes(shard({"a"}), "m.safetensors", {{"config.json", "{}"}}).tensors().size(), 1u);
}

TEST(ModelFile, RefusesQuantizedTensorsByName) {
  const std::pair<const char*, const char*> names[] = {{"q_proj.qweight", "GPTQ or AWQ"},
                                                       {"q_proj.g_idx", "GPTQ"},
                                                       {"q_proj.weight_packed", "compressed-tensors"},
                                                       {"q_proj.weight_scale_inv", "FP8"},
                                                       {"q_proj.scales", "MLX"},
                                                       {"q_proj.biases", "MLX"},
                                                       {"q_proj.weight.absmax", "bitsandbytes"},
                                                       {"experts.gate_up_proj_blocks", "MXFP4"}};
  for (const auto& [tensor, method] : names) {
    EXPECT_THAT(
        error_of([&, t = tensor] { testing::open_bytes(shard({t}), "m.safetensors"); }),
        StartsWith(fmt::format("m.safetensors: tensor '{}': weights quantized by {} are not ", tensor, method)));
  }
}

TEST(ModelFile, ReadsTheGoldens) {
  const std::string golden = GEMMA4_GOLDEN;
  EXPECT_EQ(ModelFile::open(golden + "/moe_text").sources(), 12);
  EXPECT_EQ(ModelFile::open(golden + "/moe_text").tensors().size(), 133u);
  const ModelFile file = ModelFile::open(golden + "/e_text");
  EXPECT_EQ(file.find("model.embed_tokens.weight")->shape.rank, 2);
}

}  // namespace
}  // namespace gemma
