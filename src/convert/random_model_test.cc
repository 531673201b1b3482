// SPDX-License-Identifier: Apache-2.0
#include "convert/random_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "config/config.h"
#include "config/drafter_config.h"
#include "config/media_names.h"
#include "config/processor_config.h"
#include "convert/gguf_keys.h"
#include "convert/inventory.h"
#include "convert/media_tensors.h"
#include "convert/model_shapes.h"
#include "convert/random_tensor.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

constexpr FileType kAllTypes[] = {FileType::f32,  FileType::bf16,   FileType::f16,    FileType::q8_0,
                                  FileType::q4_0, FileType::q4_k_m, FileType::q5_k_m, FileType::q6_k};

ModelFile open_random(const RandomModelOptions& options) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(random_model(options));
  return ModelFile::open(std::move(sources));
}

/** Mean and root mean square distance from it of the first values of a tensor; fails on one that is not finite. */
std::pair<double, double> distribution(const ModelFile& file, const TensorRecord& t) {
  const int64_t rows = std::min<int64_t>(t.shape.rows(), std::max<int64_t>(1, 65536 / t.shape.cols()));
  std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(t.dtype, rows * t.shape.cols())));
  file.read_rows(t, 0, rows, bytes);
  std::vector<float> values(static_cast<size_t>(rows * t.shape.cols()));
  unpack(t.dtype, bytes, values);
  double sum = 0, squares = 0;
  for (const float v : values) {
    EXPECT_TRUE(std::isfinite(v)) << t.name;
    sum += v;
    squares += double{v} * v;
  }
  const auto n = static_cast<double>(values.size());
  return {sum / n, std::sqrt(squares / n - sum / n * sum / n)};
}

TEST(RandomTensor, AnyRangeIsAPartOfTheWhole) {
  for (const DType type : {DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0,
                           DType::q5_1, DType::q4_k, DType::q5_k, DType::q6_k}) {
    const RandomTensor tensor(1, 2, type, 0, 0.02f);
    std::vector<std::byte> whole(10'000);
    tensor.read(0, whole);
    for (const size_t begin : {0, 1, 17, 1680, 4001, 9999}) {
      for (const size_t length : {1, 7, 18, 210, 1681, 5000}) {
        std::vector<std::byte> part(std::min(length, whole.size() - begin));
        tensor.read(static_cast<int64_t>(begin), part);
        EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<int64_t>(begin)))
            << info(type).name << " " << begin << " " << length;
      }
    }
  }
}

TEST(RandomTensor, SeedsAndTensorsDiffer) {
  std::vector<std::byte> a(1440), b(1440), c(1440);
  RandomTensor(1, 2, DType::q4_0, 0, 1).read(0, a);
  RandomTensor(1, 3, DType::q4_0, 0, 1).read(0, b);
  RandomTensor(2, 2, DType::q4_0, 0, 1).read(0, c);
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
}

TEST(RandomModel, EverySizeIsAWholeModel) {
  const std::map<std::string, std::pair<size_t, int>> kSizes{
      {"270m", {18, 640}}, {"e2b", {35, 1536}},     {"e4b", {42, 2560}},
      {"12b", {48, 3840}}, {"26b-a4b", {30, 2816}}, {"31b", {60, 5376}},
  };
  for (const auto& [size, expected] : kSizes) {
    const ModelFile file = open_random({.size = size, .type = FileType::q4_k_m});
    const Config config = Config::from(file);
    EXPECT_EQ(config.layers.size(), expected.first) << size;
    EXPECT_EQ(config.dim, expected.second) << size;
    EXPECT_TRUE(config.layers.back().global) << size;
    EXPECT_GT(inventory(file, config).size(), 100u) << size;
  }
}

TEST(RandomModel, CountsTheParametersOfTheReleasedModels) {
  // Published counts of the text parts; per-layer embeddings included.
  const std::map<std::string, double> kBillions{{"270m", 0.268}, {"e2b", 4.63},     {"e4b", 7.5},
                                                {"12b", 11.9},   {"26b-a4b", 25.2}, {"31b", 30.7}};
  for (const auto& [size, billions] : kBillions) {
    double count = 0;
    const ModelFile file = open_random({.size = size});
    for (const TensorRecord& t : file.tensors()) count += static_cast<double>(t.shape.count());
    EXPECT_NEAR(count * 1e-9, billions, billions * 0.02) << size;
  }
}

TEST(RandomModel, ValuesAreFiniteAndOfTheSizeOfATrainedModels) {
  for (const FileType type : kAllTypes) {
    const ModelFile file = open_random({.size = "26b-a4b", .type = type, .layers = 6});
    for (const TensorRecord& t : file.tensors()) {
      if (t.name == "rope_freqs.weight") continue;
      const auto [mean, spread] = distribution(file, t);
      const bool vector = t.shape.rank == 1;
      const double expected = (t.name.ends_with("gate_inp.weight") ? 4.0 : 1.0) / std::sqrt(t.shape.cols());
      if (vector) {
        EXPECT_NEAR(mean, 1.0, 0.15) << t.name;
      } else {
        EXPECT_NEAR(spread, expected, expected * 0.25) << name_of(type) << " " << t.name;
        EXPECT_LT(std::abs(mean), spread * 0.2) << name_of(type) << " " << t.name;
      }
    }
  }
}

TEST(RandomModel, TypesAreTheOnesOfAConvertedFile) {
  const ModelFile file = open_random({.size = "26b-a4b", .type = FileType::q4_k_m, .layers = 6});
  EXPECT_EQ(file.find("token_embd.weight")->dtype, DType::q6_k);
  EXPECT_EQ(file.find("blk.0.attn_q.weight")->dtype, DType::q4_k);
  EXPECT_EQ(file.find("blk.0.attn_norm.weight")->dtype, DType::f32);
  // 704 is no multiple of 256: these rows fall back.
  const DType down = file.find("blk.0.ffn_down_exps.weight")->dtype;
  EXPECT_TRUE(down == DType::q8_0 || down == DType::q5_0) << info(down).name;
}

TEST(RandomModel, DraftersFitTheirTargets) {
  for (const char* size : {"e2b", "e4b", "12b", "26b-a4b", "31b"}) {
    const ModelFile file = open_random({.size = size, .type = FileType::q8_0, .drafter = true});
    ASSERT_TRUE(is_drafter(file)) << size;
    const DrafterConfig drafter = DrafterConfig::from(file);
    for (const char* target : {"e2b", "e4b", "12b", "26b-a4b", "31b"}) {
      const Config config = Config::from(open_random({.size = target}));
      if (std::string_view(size) == target) {
        EXPECT_NO_THROW(drafter.check_target(size, config)) << size;
      } else {
        EXPECT_THROW(drafter.check_target(size, config), Error) << size << " " << target;
      }
    }
    EXPECT_EQ(drafter.ordered, size[0] == 'e');
    if (!drafter.ordered) continue;
    const TensorRecord* order = file.find("masked_embd_ordering");
    ASSERT_NE(order, nullptr);
    std::vector<int32_t> ids(static_cast<size_t>(order->shape.count()));
    file.read(*order, std::as_writable_bytes(std::span(ids)));
    EXPECT_EQ(ids.size(), 262144u);
    for (size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(ids[i], static_cast<int32_t>(i));
  }
}

TEST(RandomModel, SaysWhatItCannotMake) {
  EXPECT_THROW(random_model({.size = "270m", .drafter = true}), UsageError);
  EXPECT_THROW(random_model({.size = "3b"}), UsageError);
  EXPECT_THROW(random_encoders("270m", FileType::bf16), UsageError);
  EXPECT_THROW(random_model({.size = "e2b", .layers = 7}), UsageError);
  EXPECT_THROW(random_model({.size = "e2b", .layers = 40}), UsageError);
  EXPECT_THROW(random_model({.size = "270m", .tokenizer = "no/such/tokenizer.json"}), Error);
  EXPECT_THROW(random_model({.size = "270m", .tokenizer = "no/such/model.gguf"}), Error);
}

ModelFile open_encoders(std::string_view size, FileType type = FileType::bf16) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(random_encoders(size, type));
  return ModelFile::open(std::move(sources));
}

TEST(RandomEncoders, EverySizeHasThoseOfItsModel) {
  // Millions of parameters, in all: towers of 150 and 300, of 550, and what stands for them in the 12B.
  const std::map<std::string, double> kMillions{
      {"e2b", 476}, {"e4b", 480}, {"12b", 52.4}, {"26b-a4b", 573}, {"31b", 576}};
  for (const auto& [size, millions] : kMillions) {
    SCOPED_TRACE(size);
    const ModelFile file = open_encoders(size);
    const MediaConfig media = MediaConfig::from(file);
    const bool small = size[0] == 'e', blocks = size == "12b";
    EXPECT_EQ(media.vision.has_value(), !blocks);
    EXPECT_EQ(media.audio.has_value(), small);
    EXPECT_EQ(media.pixel_blocks.has_value(), blocks);
    EXPECT_EQ(media.sample_frames.has_value(), blocks);
    if (media.vision) {
      EXPECT_EQ(media.vision->dim, small ? 768 : 1152);
      EXPECT_EQ(media.vision->clipped, small);
      EXPECT_EQ(media.vision->standardized, !small);
    }
    EXPECT_EQ(ProcessorConfig::from(file, media).image_budget, 280);
    double count = 0;
    for (const TensorRecord& t : file.tensors()) count += static_cast<double>(t.shape.count());
    EXPECT_NEAR(count * 1e-6, millions, millions * 0.01);
    const Config text = Config::from(open_random({.size = size}));
    for (const MediaTensor& t : media_tensors(media, text.dim)) {
      const TensorRecord* found = file.find(media_gguf_name(t.name).value());
      ASSERT_NE(found, nullptr) << t.name;
      EXPECT_EQ(found->shape, t.to) << t.name;
    }
  }
}

TEST(RandomEncoders, ValuesAreFiniteAndOfTheTypeAskedFor) {
  for (const FileType type : {FileType::f32, FileType::bf16, FileType::f16, FileType::q8_0}) {
    const ModelFile file = open_encoders("e2b", type);
    EXPECT_EQ(name_of(type), info(file.find("v.blk.3.attn_q.weight")->dtype).name);
    EXPECT_EQ(file.find("v.blk.3.ln1.weight")->dtype, DType::f32);
    for (const TensorRecord& t : file.tensors()) {
      const auto [mean, spread] = distribution(file, t);
      EXPECT_LE(std::abs(mean), 20) << t.name;
      EXPECT_LE(spread, 1) << t.name;
    }
  }
}

TEST(RandomModel, SpecialTokensAreThoseOfGemma4) {
  std::vector<std::string> pieces(262144);
  for (size_t i = 0; i < pieces.size(); ++i) pieces[i] = fmt::format("<unused{}>", i);
  Metadata keys;
  keys.set("tokenizer.ggml.tokens", pieces);
  keys.set("tokenizer.ggml.token_type", std::vector<int64_t>(pieces.size(), 1));
  name_gemma4_tokens(keys);
  const auto& named = *keys.strings("tokenizer.ggml.tokens");
  const auto types = keys.integers("tokenizer.ggml.token_type").value();
  EXPECT_EQ(named[105], "<|turn>");
  EXPECT_EQ(named[258880], "<|image|>");
  EXPECT_EQ(types[258880], 3);
  EXPECT_EQ(types[100], 4);
  EXPECT_EQ(named[107], "<unused107>");
  EXPECT_TRUE(keys.string("tokenizer.chat_template"));
  // One that knows them is not touched.
  Metadata own;
  std::swap(pieces[7], pieces[105] = "<|turn>");
  own.set("tokenizer.ggml.tokens", pieces);
  own.set("tokenizer.ggml.token_type", std::vector<int64_t>(pieces.size(), 1));
  name_gemma4_tokens(own);
  EXPECT_EQ((*own.strings("tokenizer.ggml.tokens"))[258880], "<unused258880>");
  EXPECT_FALSE(own.string("tokenizer.chat_template"));
}

TEST(RandomModel, KeepsTheSharedPartOfAShortModel) {
  const Config config = Config::from(open_random({.size = "e2b", .layers = 10}));
  ASSERT_EQ(config.layers.size(), 10u);
  EXPECT_EQ(config.layers[4].kv_source, 4);
  EXPECT_EQ(config.layers[5].kv_source, 3);
  EXPECT_EQ(config.layers[9].kv_source, 4);
  EXPECT_EQ(config.layers[9].mlp_width, 12288);
}

}  // namespace
}  // namespace gemma
