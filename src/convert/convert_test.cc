// SPDX-License-Identifier: Apache-2.0
#include "convert/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/file.h"
#include "config/names.h"
#include "convert/hf_files.h"
#include "convert/inventory.h"
#include "file/safetensors_writer.h"
#include "file/testing/files.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

std::string golden(std::string_view name) { return std::string(GEMMA4_GOLDEN) + "/" + std::string(name); }

std::vector<float> values_of(const ModelFile& file, const TensorRecord& record) {
  std::vector<std::byte> bytes(static_cast<size_t>(record.bytes));
  file.read(record, bytes);
  std::vector<float> values(static_cast<size_t>(record.shape.count()));
  unpack(record.dtype, bytes, values);
  return values;
}

std::vector<float> values_of(const ModelFile& file, std::string_view name) {
  const TensorRecord* record = file.find(name);
  EXPECT_NE(record, nullptr) << name;
  return record == nullptr ? std::vector<float>{} : values_of(file, *record);
}

std::string to_gguf(const std::string& source, const std::string& target, FileType type, int threads = 1) {
  const ModelFile file = ModelFile::open(source);
  EXPECT_TRUE(Conversion::to_gguf(file, type).run(target, {.threads = threads, .progress = {}, .cancelled = {}}));
  return target;
}

std::string to_folder(const std::string& source, const std::string& target, std::optional<DType> type = {}) {
  const ModelFile file = ModelFile::open(source);
  EXPECT_TRUE(Conversion::to_folder(file, type).run(target, {.threads = 1, .progress = {}, .cancelled = {}}));
  return target;
}

void expect_same_config(const Config& a, const Config& b) {
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.dim, b.dim);
  EXPECT_EQ(a.vocab, b.vocab);
  EXPECT_EQ(a.context, b.context);
  EXPECT_EQ(a.norm_eps, b.norm_eps);
  EXPECT_EQ(a.softcap, b.softcap);
  EXPECT_EQ(a.per_layer_dim, b.per_layer_dim);
  EXPECT_EQ(a.tied_head, b.tied_head);
  EXPECT_EQ(a.special.eos, b.special.eos);
  EXPECT_EQ(a.special.suppress, b.special.suppress);
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t i = 0; i < a.layers.size(); ++i) {
    SCOPED_TRACE(i);
    const LayerConfig &x = a.layers[i], &y = b.layers[i];
    EXPECT_EQ(x.global, y.global);
    EXPECT_EQ(x.heads, y.heads);
    EXPECT_EQ(x.kv_heads, y.kv_heads);
    EXPECT_EQ(x.head_dim, y.head_dim);
    EXPECT_EQ(x.window, y.window);
    EXPECT_EQ(x.rope.inverse_frequency, y.rope.inverse_frequency);
    EXPECT_EQ(x.attention_scale, y.attention_scale);
    EXPECT_EQ(x.v_norm, y.v_norm);
    EXPECT_EQ(x.k_is_v, y.k_is_v);
    EXPECT_EQ(x.layer_scalar, y.layer_scalar);
    EXPECT_EQ(x.kv_source, y.kv_source);
    EXPECT_EQ(x.mlp_width, y.mlp_width);
    ASSERT_EQ(x.moe.has_value(), y.moe.has_value());
    if (x.moe) {
      EXPECT_EQ(x.moe->experts, y.moe->experts);
      EXPECT_EQ(x.moe->top_k, y.moe->top_k);
      EXPECT_EQ(x.moe->width, y.moe->width);
    }
  }
}

class EveryShape : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryShape, GgufSaysWhatTheConfigSays) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden(GetParam()));
  const ModelFile made = ModelFile::open(to_gguf(golden(GetParam()), temp / "m.gguf", FileType::bf16));
  expect_same_config(Config::from(source), Config::from(made));
}

TEST_P(EveryShape, ValuesAreTheSourceRoundedToTheirType) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden(GetParam()));
  const Config config = Config::from(source);
  const ModelFile made = ModelFile::open(to_gguf(golden(GetParam()), temp / "m.gguf", FileType::bf16));
  size_t text = 0;
  for (const TensorRecord& record : source.tensors()) {
    const std::string bare(bare_name(record.name).value());
    const TensorRecord* target = made.find(gguf_name(bare).value());
    ASSERT_NE(target, nullptr) << record.name;
    ++text;
    const std::vector<float> from = values_of(source, record), to = values_of(made, *target);
    const float add = config.generation == 3 && is_shifted_norm(bare) ? 1.0f : 0.0f;
    for (size_t i = 0; i < from.size(); ++i) {
      const float expected = from[i] + add;
      ASSERT_EQ(to[i], target->dtype == DType::f32 ? expected : bf16_to_f32(f32_to_bf16(expected))) << record.name;
    }
  }
  EXPECT_EQ(made.tensors().size(), text + (config.generation == 4 ? 1 : 0));  // rope_freqs
}

TEST_P(EveryShape, ThereAndBackIsTheSameModel) {
  const TempFolder temp;
  const std::string first = to_gguf(golden(GetParam()), temp / "1.gguf", FileType::bf16);
  const std::string folder = to_folder(first, temp / "hf");
  const std::string second = to_gguf(folder, temp / "2.gguf", FileType::bf16);
  const ModelFile a = ModelFile::open(first), b = ModelFile::open(second);
  expect_same_config(Config::from(a), Config::from(b));
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const TensorRecord& record : a.tensors()) {
    EXPECT_EQ(values_of(a, record), values_of(b, record.name)) << record.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, EveryShape,
                         ::testing::Values("e_text", "e_text/hub_style", "dense_text", "moe_text", "unified_text",
                                           "gemma3_text"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

TEST(Convert, F32KeepsEveryBit) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden("e_text"));
  const ModelFile made = ModelFile::open(to_gguf(golden("e_text"), temp / "m.gguf", FileType::f32));
  for (const TensorRecord& record : source.tensors()) {
    EXPECT_EQ(values_of(source, record), values_of(made, gguf_name(bare_name(record.name).value()).value()));
  }
}

TEST(Convert, TheSameBytesEveryTimeWithAnyNumberOfThreads) {
  const TempFolder temp;
  const std::string one = read_file(to_gguf(golden("e_text"), temp / "1.gguf", FileType::q4_k_m, 1));
  const std::string three = read_file(to_gguf(golden("e_text"), temp / "3.gguf", FileType::q4_k_m, 3));
  EXPECT_EQ(one, three);
}

TEST(Convert, GgufToGgufKeepsKeysAndCopiesWhatKeepsItsType) {
  const TempFolder temp;
  const std::string q8 = to_gguf(golden("moe_text"), temp / "q8.gguf", FileType::q8_0);
  const std::string direct = to_gguf(golden("moe_text"), temp / "direct.gguf", FileType::q8_0);
  const std::string again = to_gguf(q8, temp / "again.gguf", FileType::q8_0);
  EXPECT_EQ(read_file(q8), read_file(direct));
  EXPECT_EQ(read_file(q8), read_file(again));

  const ModelFile source = ModelFile::open(q8);
  const Conversion to_q4 = Conversion::to_gguf(source, FileType::q4_0);
  EXPECT_THAT(to_q4.notes(), ElementsAre(HasSubstr("quantized already")));
  EXPECT_THAT(Conversion::to_gguf(source, FileType::bf16).notes(), ::testing::IsEmpty());
}

/** A checkpoint of one small layer with a change. */
class Small {
 public:
  explicit Small(const TempFolder& temp) : temp_(temp) {
    const ModelFile source = ModelFile::open(golden("dense_text"));
    for (const TensorRecord& record : source.tensors()) {
      tensors.emplace_back(record.name, Tensor::from(std::span<const float>(values_of(source, record)), record.shape));
    }
  }
  Tensor& at(std::string_view name) {
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; });
    EXPECT_NE(found, tensors.end());
    return found->second;
  }
  std::string folder() const {
    const std::string path = temp_ / "small";
    std::filesystem::create_directory(path);
    write_safetensors(path + "/model.safetensors", tensors);
    for (const char* name : {"config.json", "generation_config.json"}) {
      std::filesystem::copy_file(golden("dense_text/") + name, path + "/" + name,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    return path;
  }
  std::string error(FileType type) const {
    const std::string source = folder();
    return error_of([&] { to_gguf(source, temp_ / "m.gguf", type, 2); });
  }

  std::vector<std::pair<std::string, Tensor>> tensors;

 private:
  const TempFolder& temp_;
};

TEST(Convert, FolderTypeIsTheSmallestThatLosesNothing) {
  const TempFolder temp;
  int n = 0;
  const auto type_of = [&](const std::string& source, FileType type, std::optional<DType> asked = {}) {
    const std::string name = temp / fmt::format("{}", ++n);
    return ModelFile::open(to_folder(to_gguf(source, name + ".gguf", type), name, asked)).tensors().front().dtype;
  };
  EXPECT_EQ(type_of(golden("dense_text"), FileType::bf16), DType::bf16);
  EXPECT_EQ(type_of(golden("dense_text"), FileType::q8_0), DType::f32);
  EXPECT_EQ(type_of(golden("dense_text"), FileType::q8_0, DType::bf16), DType::bf16);
  Small small(temp);
  small.at("model.norm.weight").data_mutable<float>()[5] = 1.001f;  // no bf16 number, and GGUF keeps norms in f32
  EXPECT_EQ(type_of(small.folder(), FileType::bf16), DType::f32);
}

TEST(Convert, RefusesNumbersThatAreNone) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const TempFolder temp;
    Small small(temp);
    small.at("model.layers.1.mlp.up_proj.weight").data_mutable<float>()[64 + 3] = bad;
    EXPECT_THAT(small.error(FileType::q4_k_m),
                HasSubstr("tensor 'model.layers.1.mlp.up_proj.weight', row 1, column 3: expected a finite number"));
    EXPECT_FALSE(std::filesystem::exists(temp / "m.gguf"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(temp.path()), {}), 1) << "only the source is left";
  }
}

TEST(Convert, RefusesWhatTheTypeCannotHold) {
  const TempFolder temp;
  Small small(temp);
  small.at("model.layers.1.mlp.up_proj.weight").data_mutable<float>()[0] = 1e5f;
  EXPECT_THAT(small.error(FileType::f16), HasSubstr("100000 is more than f16 can hold"));
  to_gguf(small.folder(), temp / "ok.gguf", FileType::bf16);
  to_gguf(small.folder(), temp / "ok8.gguf", FileType::q8_0);
}

TEST(Convert, RefusesAModelThatIsNotWhole) {
  const TempFolder temp;
  Small missing(temp);
  std::erase_if(missing.tensors, [](const auto& t) { return t.first == "model.layers.2.mlp.gate_proj.weight"; });
  EXPECT_THAT(missing.error(FileType::bf16), HasSubstr("tensor 'model.layers.2.mlp.gate_proj.weight' is missing"));
  Small wrong(temp);
  wrong.at("model.norm.weight") = Tensor::from(std::span<const float>(std::vector<float>(63, 1.0f)), {63});
  EXPECT_THAT(wrong.error(FileType::bf16), HasSubstr("'model.norm.weight': expected shape [64], found [63]"));
}

TEST(Convert, LeavesNothingBehindWhenCancelled) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden("dense_text"));
  const StreamOptions options{.threads = 1, .progress = {}, .cancelled = [] { return true; }};
  EXPECT_FALSE(Conversion::to_gguf(source, FileType::bf16).run(temp / "m.gguf", options));
  EXPECT_TRUE(std::filesystem::is_empty(temp.path()));
  const ModelFile gguf = ModelFile::open(to_gguf(golden("dense_text"), temp / "m.gguf", FileType::bf16));
  EXPECT_FALSE(Conversion::to_folder(gguf, std::nullopt).run(temp / "hf", options));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(temp.path()), {}), 1);
}

TEST(Convert, CountsEveryByteItReads) {
  const TempFolder temp;
  const ModelFile source = ModelFile::open(golden("e_text"));
  const Conversion conversion = Conversion::to_gguf(source, FileType::q8_0);
  std::atomic<int64_t> done{0};
  conversion.run(temp / "m.gguf", {.threads = 2, .progress = [&](int64_t n) { done += n; }, .cancelled = {}});
  EXPECT_EQ(done.load(), conversion.bytes_to_read());
}

TEST(Convert, SaysWhatItLeavesOut) {
  const TempFolder temp;
  Small small(temp);
  small.tensors.emplace_back("model.vision_tower.std_bias", Tensor::host(DType::f32, {2}));
  small.tensors.emplace_back("model.embed_vision.embedding_projection.weight", Tensor::host(DType::f32, {1}));
  small.tensors.emplace_back("model.something_else", Tensor::host(DType::f32, {1}));
  small.tensors.emplace_back("lm_head.weight", small.at("model.embed_tokens.weight"));  // tied: not said
  const ModelFile source = ModelFile::open(small.folder());
  EXPECT_THAT(Conversion::to_gguf(source, FileType::bf16).notes(),
              ElementsAre(HasSubstr("no tokenizer.json"), HasSubstr("'model.something_else'"),
                          HasSubstr("2 tensors of vision and audio")));
}

TEST(HfConfig, LayersThatTheGlobalKeysCannotSayGetAMap) {
  Config config = Config::from(ModelFile::open(golden("dense_text")));
  for (LayerConfig& layer : config.layers) {
    layer.k_is_v = false;  // then num_global_key_value_heads would not be looked at
    if (layer.global) layer.kv_heads = 1;
  }
  const json::object written = hf_config("test", config, DType::f32);
  EXPECT_TRUE(written.contains("per_layer_config"));
  expect_same_config(config, Config::from_json("test", written));
}

TEST(HfConfig, RefusesWhatItHasNoWordsFor) {
  const Config config = Config::from(ModelFile::open(golden("dense_text")));
  Config widths = config;
  widths.layers[1].mlp_width += 2;
  EXPECT_THAT(error_of([&] { hf_config("test", widths, DType::f32); }), HasSubstr("layer 1: an MLP of width"));
  Config rope = config;
  rope.layers[0].rope.inverse_frequency[1] *= 2;
  EXPECT_THAT(error_of([&] { hf_config("test", rope, DType::f32); }), HasSubstr("RoPE frequencies"));
}

TEST(Convert, FactorOfProportionalRopeGoesIntoTheDivisors) {
  const TempFolder temp;
  const Small small(temp);
  const std::string folder = small.folder();
  json::value config = parse_json_or_fail("config", read_file(folder + "/config.json"));
  config.at("rope_parameters").at("full_attention").as_object()["factor"] = 4.0;
  std::ofstream(folder + "/config.json") << write_json(config);
  const ModelFile made = ModelFile::open(to_gguf(folder, temp / "m.gguf", FileType::bf16));
  const std::vector<float> divisors = values_of(made, "rope_freqs.weight");
  EXPECT_EQ(divisors.front(), 4.0f);
  EXPECT_EQ(divisors.back(), 1e30f);
  const ModelFile source = ModelFile::open(folder), back = ModelFile::open(to_folder(temp / "m.gguf", temp / "hf"));
  expect_same_config(Config::from(source), Config::from(made));
  expect_same_config(Config::from(source), Config::from(back));
}

void expect_same_drafter(const ModelFile& a, const ModelFile& b) {
  DrafterConfig x = DrafterConfig::from(a), y = DrafterConfig::from(b);
  x.stack.special = y.stack.special;  // tokens are the target's business
  expect_same_config(x.stack, y.stack);
  EXPECT_EQ(x.target_dim, y.target_dim);
  EXPECT_EQ(x.ordered, y.ordered);
  if (x.ordered) {
    EXPECT_EQ(x.centroids, y.centroids);
    EXPECT_EQ(x.top_centroids, y.top_centroids);
  }
  const std::vector<ItemOfModel> from = inventory(a, x), to = inventory(b, y);
  ASSERT_EQ(from.size(), to.size());
  for (size_t i = 0; i < from.size(); ++i) {
    EXPECT_EQ(from[i].name, to[i].name);
    std::vector<std::byte> bytes(static_cast<size_t>(from[i].stored.bytes())), others(bytes.size());
    from[i].stored.read(a, bytes);
    to[i].stored.read(b, others);
    EXPECT_EQ(bytes, others) << from[i].name;
  }
}

TEST(Convert, DraftersLoseNothing) {
  const TempFolder temp;
  for (const std::string name : {"assistant/draft_plain", "assistant/draft_ordered", "unified_assistant/draft_plain",
                                 "unified_assistant/draft_ordered"}) {
    SCOPED_TRACE(name);
    const std::string path = to_gguf(golden(name), temp / "drafter.gguf", FileType::f32);
    const ModelFile source = ModelFile::open(golden(name)), file = ModelFile::open(path);
    EXPECT_EQ(file.metadata().string("general.architecture"), kGgufDrafter);
    expect_same_drafter(source, file);
    const ModelFile again = ModelFile::open(to_gguf(path, temp / "again.gguf", FileType::f32));
    expect_same_drafter(source, again);
    EXPECT_THAT(error_of([&] { Conversion::to_folder(file, {}); }), HasSubstr("a drafter, which goes to GGUF only"));
  }
  const ModelFile source = ModelFile::open(golden("assistant/draft_ordered"));
  const ModelFile small = ModelFile::open(to_gguf(source.folder(), temp / "small.gguf", FileType::q8_0));
  EXPECT_EQ(small.find("blk.0.ffn_down.weight")->dtype, DType::q8_0);
  EXPECT_EQ(small.find("masked_embd_ordering")->dtype, source.find("masked_embedding.token_ordering")->dtype);
}

}  // namespace
}  // namespace gemma
