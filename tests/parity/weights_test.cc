// SPDX-License-Identifier: Apache-2.0
// What is wrong with a checkpoint's tensors is said by name; what is not needed is not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/memory.h"
#include "golden.h"
#include "model/encoder_weights.h"
#include "model/key_balance.h"
#include "model/model.h"

namespace gemma::parity {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& folder, const std::function<void(Config&)>& change) {
  const auto file = open(golden(folder));
  Config config = Config::from(*file);
  change(config);
  try {
    Model::load(file, std::move(config), cpu_ops(), {});
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Weights, TensorsOfAnotherShapeAreNamed) {
  EXPECT_THAT(error_of("e_text", [](Config& c) { c.layers[6].mlp_width = 96; }),
              HasSubstr("tensor 'model.layers.6.mlp.gate_proj.weight': expected shape [96, 64], found [192, 64]"));
  EXPECT_THAT(error_of("e_text", [](Config& c) { c.vocab = 500; }), HasSubstr("expected shape [500, 64]"));
  EXPECT_THAT(error_of("e_text/hub_style", [](Config& c) { c.per_layer_dim = 8; }),
              HasSubstr("tensor 'model.language_model.embed_tokens_per_layer.weight'"));
  EXPECT_THAT(error_of("moe_text", [](Config& c) { c.layers[2].moe->experts = 9; }),
              HasSubstr("tensor 'model.layers.2.router.proj.weight': expected shape [9, 64], found [8, 64]"));
}

TEST(Weights, MissingTensorsAreNamed) {
  EXPECT_THAT(error_of("dense_text", [](Config& c) { c.layers[5].k_is_v = false; }),
              HasSubstr("tensor 'model.layers.5.self_attn.v_proj.weight' is missing (expected [64, 64])"));
  EXPECT_THAT(error_of("dense_text", [](Config& c) { c.per_layer_dim = 4; }),
              HasSubstr("tensor 'model.embed_tokens_per_layer.weight' is missing"));
}

std::string encoder_error(const std::string& folder, const std::function<void(MediaConfig&, Config&)>& change) {
  const auto file = open(golden(folder));
  MediaConfig media = MediaConfig::from(*file);
  Config text = Config::from(*file);
  change(media, text);
  try {
    Encoders::load(*file, std::move(media), text, cpu_ops());
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Weights, TensorsOfEncodersAreNamed) {
  EXPECT_THAT(encoder_error("e_vision", [](MediaConfig& m, Config&) { m.vision->mlp_width = 95; }),
              HasSubstr("tensor 'model.vision_tower.encoder.layers.0.mlp.gate_proj.linear.weight': expected shape"));
  EXPECT_THAT(encoder_error("e_vision", [](MediaConfig&, Config& text) { text.dim = 63; }),
              HasSubstr("tensor 'model.embed_vision.embedding_projection.weight': expected shape [63, 48]"));
  EXPECT_THAT(encoder_error("e_vision", [](MediaConfig& m, Config&) { m.vision->standardized = true; }),
              HasSubstr("tensor 'model.vision_tower.std_bias' is missing (expected [48])"));
  EXPECT_THAT(encoder_error("dense_vision", [](MediaConfig& m, Config&) { m.vision->clipped = true; }),
              HasSubstr("self_attn.q_proj.input_min' is missing (expected [1])"));
  EXPECT_THAT(encoder_error("e_audio", [](MediaConfig& m, Config&) { m.audio->kernel = 3; }),
              HasSubstr("lconv1d.depthwise_conv1d.weight': expected shape [32, 1, 3], found [32, 1, 5]"));
  EXPECT_THAT(encoder_error("unified_mixed", [](MediaConfig& m, Config&) { m.pixel_blocks->positions = 7; }),
              HasSubstr("tensor 'model.vision_embedder.pos_embedding': expected shape [7, 2, 40]"));
  EXPECT_THAT(encoder_error("unified_mixed", [](MediaConfig& m, Config&) { m.sample_frames->samples = 320; }),
              HasSubstr("tensor 'model.embed_audio.embedding_projection.weight': expected shape [48, 320]"));
  EXPECT_EQ(encoder_error("e_text", [](MediaConfig&, Config&) {}), "no error");  // it has none
}

TEST(Weights, TablesThatNoFileHoldsAreCountedBeforeTheyAreMade) {
  const std::string error = encoder_error("e_audio", [](MediaConfig& m, Config&) { m.audio->distances = 1 << 30; });
  EXPECT_THAT(error, HasSubstr("encoders of media"));
  EXPECT_THAT(error, HasSubstr("137 GB"));  // 2^30 rows of 32 numbers
}

TEST(Weights, MatricesThatThereIsNoRoomForStayInTheFile) {
  const auto file = open(golden("moe_text"));
  const Config config = Config::from(*file);
  const auto in_file = [&](const Tensor& w) {
    for (int i = 0; i < file->sources(); ++i) {
      if (w.storage()->bytes() == file->source(i).size()) return true;
    }
    return false;
  };
  const int64_t all =
      Weights::bytes_for(file, config, cpu_ops(), {}) - Weights::bytes_for(file, config, cpu_ops(), {.map = true});
  int64_t experts = 0;
  const Weights read = Weights::load(file, config, cpu_ops(), {.map = true});
  EXPECT_EQ(read.mapped, nullptr);  // there is room for all
  for (const LayerWeights& layer : read.layers) {
    for (const Tensor* w : {&layer.moe->gate_up, &layer.moe->down}) {
      EXPECT_FALSE(in_file(*w));
      experts += w->bytes();
    }
  }
  const MoeWeights& first = *read.layers[0].moe;
  const int64_t most = all - experts + first.gate_up.bytes() + first.down.bytes();
  const Weights some = Weights::load(file, config, cpu_ops(), {.map = true, .most = most});
  EXPECT_EQ(some.mapped, file);
  EXPECT_FALSE(in_file(some.embedding));
  for (size_t i = 0; i < some.layers.size(); ++i) {
    EXPECT_FALSE(in_file(some.layers[i].mlp.down.w));  // what every token reads comes before experts
    EXPECT_EQ(in_file(some.layers[i].moe->gate_up), i > 0);
  }
  for (const WeightOptions& nothing :
       {WeightOptions{.map = true, .most = 0}, WeightOptions{.map = true, .leave = available_memory() * 2}}) {
    const Weights none = Weights::load(file, config, cpu_ops(), nothing);
    EXPECT_TRUE(in_file(none.embedding));
    EXPECT_TRUE(in_file(none.layers[2].attention.q.w));
    EXPECT_TRUE(in_file(none.layers[0].moe->down));
    EXPECT_FALSE(in_file(none.norm));
  }
}

/** Of one layer with heads of four places, whose norms have weights of 1; an entry of `keys` and `queries` is the
 * length of a row. */
std::vector<float> balance_of(const std::vector<float>& keys, const std::vector<float>& queries,
                              std::vector<float> frequencies = {}) {
  const auto matrix = [](const std::vector<float>& lengths) {
    std::vector<float> rows;
    for (const float length : lengths) rows.insert(rows.end(), {0.6f * length, -0.8f * length});
    return Linear{Tensor::from(std::span<const float>(rows), Shape{std::ssize(lengths), 2}), ""};
  };
  Config config;
  config.layers.resize(1);
  config.layers[0].kv_source = 0;
  config.layers[0].rope.inverse_frequency = std::move(frequencies);
  Weights weights;
  weights.layers.resize(1);
  AttentionWeights& attention = weights.layers[0].attention;
  attention.k = matrix(keys);
  attention.q = matrix(queries);
  attention.k_norm = attention.q_norm = Tensor::from(std::vector<float>{1, 1, 1, 1}, Shape{4});
  balance_keys(weights, config, cpu_ops());
  return attention.key_balance;
}

TEST(Weights, KeysAreBalancedByTheRowsTheyComeFrom) {
  const std::vector<float> even{1, 1, 1, 1}, first{4, 1, 1, 1};
  const float up = std::pow(2.0f, 0.75f), down = std::pow(2.0f, -0.25f);  // a quarter of what the squares are apart
  using testing::FloatNear, testing::ElementsAre, testing::Each, testing::IsEmpty;
  const auto near = [](float x) { return FloatNear(x, 1e-5f); };
  EXPECT_THAT(balance_of(even, even), Each(near(1)));
  EXPECT_THAT(balance_of(first, even), ElementsAre(near(up), near(down), near(down), near(down)));
  EXPECT_THAT(balance_of(even, first), ElementsAre(near(1 / up), near(1 / down), near(1 / down), near(1 / down)));
  EXPECT_THAT(balance_of(first, first), Each(near(1)));
  // A head whose rows are longer throughout says no more than another.
  EXPECT_EQ(balance_of(even, {4, 1, 1, 1, 10, 10, 10, 10}), balance_of(even, {40, 10, 10, 10, 1, 1, 1, 1}));
  const std::vector<float> turned = balance_of(first, even, {1, 0});
  EXPECT_FLOAT_EQ(turned[0], turned[2]);  // RoPE turns this pair
  EXPECT_FLOAT_EQ(turned[1], turned[3]);
  EXPECT_GT(turned[0], turned[1]);
  EXPECT_THAT(balance_of({0, 0, 0, 0}, even), IsEmpty());  // nothing is known
}

TEST(Weights, SharedLayersHaveNoKeysOfTheirOwn) {
  const auto model = load("e_text/hub_style", "config.json", false);  // whose file has them
  EXPECT_TRUE(model->weights.layers[5].attention.k.w.defined());
  EXPECT_FALSE(model->weights.layers[6].attention.k.w.defined());
  EXPECT_FALSE(model->weights.layers[6].attention.v.w.defined());
}

TEST(Weights, TheScaleOfTheEmbeddingIsRoundedAsItIsStored) {
  const Config plain = Config::from(*open(golden("unified_text")));
  EXPECT_FLOAT_EQ(plain.embedding_scale, 6.9282032f);  // sqrt(48)
  EXPECT_EQ(load("unified_text", "config.json", false)->config.embedding_scale, plain.embedding_scale);
  EXPECT_EQ(load("unified_text/hub_style", "config.json", false)->config.embedding_scale, 6.9375f);  // stored as bf16
  EXPECT_EQ(load("unified_text/hub_style", "config.json", true)->config.embedding_scale, plain.embedding_scale);
}

TEST(Weights, NormsOfGemma3AreNormalised) {
  const auto model = load("gemma3_text", "config.json", false);
  const auto file = open(golden("gemma3_text"));
  const TensorRecord& record = *file->find("model.norm.weight");
  std::vector<float> stored(static_cast<size_t>(record.shape.count()));
  file->read(record, std::as_writable_bytes(std::span(stored)));
  const auto loaded = model->weights.norm.data<float>();
  for (size_t i = 0; i < stored.size(); ++i) EXPECT_EQ(loaded[i], stored[i] + 1.0f);
}

TEST(Weights, RowsOfTheUnloadedTableAreThoseOfTheFile) {
  const auto model = load("e_text", "config.json", false);
  const RowSource& rows = model->weights.per_layer_rows;
  EXPECT_EQ(rows.rows(), 512);
  EXPECT_EQ(rows.cols(), 160);
  const std::vector<int32_t> ids{511, 0, 511};
  const Tensor read = rows.read(ids, cpu_ops());
  const auto file = open(golden("e_text"));
  const TensorRecord& record = *file->find("model.embed_tokens_per_layer.weight");
  std::vector<float> last(160);
  file->read_rows(record, 511, 1, std::as_writable_bytes(std::span(last)));
  EXPECT_TRUE(std::equal(last.begin(), last.end(), read.data<float>().begin()));
  EXPECT_TRUE(std::equal(last.begin(), last.end(), read.data<float>().begin() + 320));
}

}  // namespace
}  // namespace gemma::parity
