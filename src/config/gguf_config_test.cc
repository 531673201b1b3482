// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "config/config.h"
#include "config/drafter_config.h"
#include "config/tensor_map.h"
#include "file/gguf_writer.h"

namespace gemma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/** A GGUF file in memory: zeros but for rope_freqs. */
struct Gguf {
  Metadata keys;
  std::vector<NewTensor> tensors;
  std::vector<float> rope_freqs;

  ModelFile open() const {
    std::vector<NewTensor> all = tensors;
    if (!rope_freqs.empty()) {
      all.push_back({"rope_freqs.weight", DType::f32, Shape{static_cast<int64_t>(rope_freqs.size())}});
    }
    const GgufHeader header = gguf_header("test.gguf", keys, all);
    std::vector<std::byte> bytes(static_cast<size_t>(header.file_bytes));
    std::copy(header.bytes.begin(), header.bytes.end(), bytes.begin());
    if (!rope_freqs.empty()) {
      std::memcpy(bytes.data() + header.offsets.back(), rope_freqs.data(), rope_freqs.size() * sizeof(float));
    }
    std::vector<std::unique_ptr<ByteSource>> sources;
    sources.push_back(memory_source("test.gguf", std::move(bytes)));
    return ModelFile::open(std::move(sources));
  }
};

Gguf gemma4_file() {
  Gguf f;
  const auto set = [&](const char* key, int64_t value) { f.keys.set(std::string("gemma4.") + key, value); };
  f.keys.set("general.architecture", std::string("gemma4"));
  set("context_length", 256);
  set("block_count", 4);
  set("embedding_length", 32);
  f.keys.set("gemma4.feed_forward_length", std::vector<int64_t>{48, 48, 96, 96});
  set("attention.head_count", 4);
  f.keys.set("gemma4.attention.head_count_kv", std::vector<int64_t>{2, 1, 2, 1});
  f.keys.set("gemma4.attention.layer_norm_rms_epsilon", 1e-5);
  set("attention.key_length", 16);
  set("attention.value_length", 16);
  set("attention.key_length_swa", 8);
  set("attention.value_length_swa", 8);
  set("attention.sliding_window", 6);
  f.keys.set("gemma4.attention.sliding_window_pattern", std::vector<bool>{true, false, true, false}, MetaType::boolean);
  set("attention.shared_kv_layers", 2);
  set("embedding_length_per_layer_input", 0);
  f.keys.set("gemma4.final_logit_softcapping", 30.0);
  f.keys.set("gemma4.rope.freq_base", 1e6);
  f.keys.set("gemma4.rope.freq_base_swa", 1e4);
  set("rope.dimension_count", 16);
  set("rope.dimension_count_swa", 8);
  f.tensors = {{"token_embd.weight", DType::f32, Shape{64, 32}},
               {"blk.0.attn_k.weight", DType::f32, Shape{16, 32}},
               {"blk.0.attn_v.weight", DType::f32, Shape{16, 32}},
               {"blk.1.attn_k.weight", DType::f32, Shape{16, 32}},
               {"blk.0.layer_output_scale.weight", DType::f32, Shape{1}}};
  f.rope_freqs = {1, 1, 1e30f, 1e30f, 1e30f, 1e30f, 1e30f, 1e30f};
  return f;
}

TEST(GgufConfig, Gemma4WithArraysAndScalars) {
  const Config c = Config::from(gemma4_file().open());
  EXPECT_EQ(c.generation, 4);
  EXPECT_EQ(c.vocab, 64);
  EXPECT_EQ(c.dim, 32);
  EXPECT_EQ(c.softcap, 30.0f);
  EXPECT_TRUE(c.tied_head);
  EXPECT_FLOAT_EQ(c.norm_eps, 1e-5f);
  ASSERT_EQ(c.layers.size(), 4u);
  EXPECT_FALSE(c.layers[0].global);
  EXPECT_EQ(c.layers[0].head_dim, 8);
  EXPECT_EQ(c.layers[0].window, 6);
  EXPECT_FALSE(c.layers[0].k_is_v);
  EXPECT_TRUE(c.layers[0].layer_scalar);
  EXPECT_TRUE(c.layers[1].global);
  EXPECT_TRUE(c.layers[1].k_is_v);
  EXPECT_FALSE(c.layers[1].layer_scalar);
  EXPECT_EQ(c.layers[1].head_dim, 16);
  EXPECT_EQ(c.layers[1].kv_heads, 1);
  EXPECT_EQ(c.layers[2].kv_source, 0);
  EXPECT_EQ(c.layers[3].kv_source, 1);
  EXPECT_EQ(c.layers[3].mlp_width, 96);
  EXPECT_TRUE(c.layers[0].bidirectional_media);  // no per-layer embeddings
  EXPECT_FLOAT_EQ(c.layers[1].rope.inverse_frequency[1], std::pow(1e6f, -2.0f / 16));
  EXPECT_EQ(c.layers[1].rope.inverse_frequency[2], 0.0f);
  EXPECT_GT(c.layers[0].rope.inverse_frequency[3], 0.0f);  // rope_freqs is for full layers only
}

TEST(GgufConfig, TokensAreKnownByTheirPieces) {
  Gguf f = gemma4_file();
  f.keys.set("tokenizer.ggml.tokens", std::vector<std::string>{"<pad>", "<eos>", "<bos>", "<|image|>", "<turn|>",
                                                               "<image|>", "<|tool_response>"});
  f.keys.set("tokenizer.ggml.eos_token_id", int64_t{1});
  f.keys.set("tokenizer.ggml.suppress_tokens", std::vector<int64_t>{5, 70000});
  const Config c = Config::from(f.open());
  EXPECT_THAT(c.special.eos, ElementsAre(1, 4, 6));
  EXPECT_THAT(c.special.suppress, ElementsAre(5));
  EXPECT_EQ(c.special.image, 3);
  EXPECT_EQ(c.special.image_end, 5);
  EXPECT_EQ(c.special.audio, -1);
}

TEST(GgufConfig, Gemma3WithoutPatternMeansEverySixth) {
  Gguf f;
  f.keys.set("general.architecture", std::string("gemma3"));
  for (const auto& [key, value] : {std::pair{"context_length", 128},
                                   {"block_count", 7},
                                   {"embedding_length", 32},
                                   {"feed_forward_length", 48},
                                   {"attention.head_count", 4},
                                   {"attention.head_count_kv", 1},
                                   {"attention.key_length", 16},
                                   {"attention.value_length", 16},
                                   {"attention.sliding_window", 5}}) {
    f.keys.set(std::string("gemma3.") + key, int64_t{value});
  }
  f.keys.set("gemma3.rope.scaling.type", std::string("linear"));
  f.keys.set("gemma3.rope.scaling.factor", 8.0);
  f.tensors = {{"token_embd.weight", DType::f32, Shape{64, 32}}, {"output.weight", DType::f32, Shape{64, 32}}};
  const Config c = Config::from(f.open());
  EXPECT_EQ(c.generation, 3);
  EXPECT_FALSE(c.tied_head);
  EXPECT_FALSE(c.layers[4].global);
  EXPECT_TRUE(c.layers[5].global);
  EXPECT_FALSE(c.layers[6].global);
  EXPECT_FLOAT_EQ(c.layers[0].attention_scale, 0.25f);
  EXPECT_FLOAT_EQ(c.layers[5].rope.inverse_frequency[0], 0.125f);
  EXPECT_FLOAT_EQ(c.layers[0].rope.inverse_frequency[0], 1.0f);
  EXPECT_FALSE(c.layers[0].v_norm);
}

std::string error_of(const Gguf& f) {
  try {
    Config::from(f.open());
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(GgufConfig, UnreadableFilesSayWhatWasExpected) {
  const auto changed = [](const char* key, MetaValue value) {
    Gguf f = gemma4_file();
    f.keys.set(key, std::move(value));
    return error_of(f);
  };
  EXPECT_EQ(error_of(gemma4_file()), "no error");
  EXPECT_THAT(changed("general.architecture", std::string("qwen3")), HasSubstr("'qwen3' is not supported"));
  EXPECT_THAT(changed("general.architecture", std::string("gemma4-assistant")), HasSubstr("is a drafter"));
  EXPECT_THAT(changed("gemma4.block_count", int64_t{0}), HasSubstr("gemma4.block_count: expected a whole number"));
  EXPECT_THAT(changed("gemma4.block_count", int64_t{5}), HasSubstr("expected"));
  EXPECT_THAT(changed("gemma4.attention.head_count_kv", std::vector<int64_t>{1, 2}), HasSubstr("found 2"));
  EXPECT_THAT(changed("gemma4.attention.head_count_kv", int64_t{3}), HasSubstr("3 KV heads divide"));
  EXPECT_THAT(changed("gemma4.attention.sliding_window", int64_t{0}), HasSubstr("sliding_window"));
  EXPECT_THAT(changed("gemma4.attention.value_length", int64_t{8}), HasSubstr("as keys"));
  EXPECT_THAT(changed("gemma4.rope.dimension_count", int64_t{8}), HasSubstr("expected the head size 16"));
  EXPECT_THAT(changed("gemma4.rope.scaling.type", std::string("yarn")), HasSubstr("yarn"));
  EXPECT_THAT(changed("gemma4.embedding_length", std::string("x")), HasSubstr("gemma4.embedding_length"));
  Gguf f = gemma4_file();
  f.rope_freqs.resize(4);
  EXPECT_THAT(error_of(f), HasSubstr("expected [8]"));
  f.rope_freqs.clear();
  EXPECT_THAT(error_of(f), HasSubstr("tensor 'rope_freqs.weight' is missing"));
  f = gemma4_file();
  f.tensors.erase(f.tensors.begin());
  EXPECT_THAT(error_of(f), HasSubstr("tensor 'token_embd.weight' is missing"));
  f = gemma4_file();
  f.keys.erase("gemma4.context_length");
  EXPECT_THAT(error_of(f), HasSubstr("key gemma4.context_length is missing"));
}

TEST(TensorMap, FusedAndSplitTensorsAreFoundAsRows) {
  Gguf f = gemma4_file();
  f.tensors.push_back({"blk.2.attn_qkv.weight", DType::f32, Shape{4 * 8 + 2 * 2 * 8, 32}});
  f.tensors.push_back({"blk.0.ffn_gate_exps.weight", DType::f32, Shape{3, 5, 32}});
  f.tensors.push_back({"blk.0.ffn_up_exps.weight", DType::f32, Shape{3, 5, 32}});
  const ModelFile file = f.open();
  const Config c = Config::from(file);
  const TensorMap map(file, c);
  const auto k = map.find("layers.2.self_attn.k_proj.weight");
  ASSERT_TRUE(k);
  EXPECT_EQ(k->shape.str(), "[16, 32]");
  EXPECT_EQ(k->pieces[0].first_row, 32);
  EXPECT_EQ(map.find("layers.2.self_attn.v_proj.weight")->pieces[0].first_row, 48);
  const auto experts = map.find("layers.0.experts.gate_up_proj");
  ASSERT_TRUE(experts);
  EXPECT_EQ(experts->shape.str(), "[3, 10, 32]");
  ASSERT_EQ(experts->pieces.size(), 6u);
  EXPECT_EQ(experts->pieces[2].record->name, "blk.0.ffn_gate_exps.weight");
  EXPECT_EQ(experts->pieces[3].first_row, 5);
  EXPECT_FALSE(map.find("layers.3.self_attn.k_proj.weight"));
}

TEST(DrafterConfig, ReadsTheTargetsCaches) {
  const auto json_of = [](const std::string& path) {
    return parse_json_or_fail(path, read_file(std::string(GEMMA4_GOLDEN) + "/" + path));
  };
  const Config target = Config::from_json("t", json_of("e_text/config.json"));
  const DrafterConfig d = DrafterConfig::from_json("d", json_of("assistant/draft_ordered/config.json"));
  EXPECT_TRUE(d.ordered);
  EXPECT_EQ(d.centroids, 32);
  EXPECT_EQ(d.top_centroids, 6);
  EXPECT_EQ(d.target_dim, 64);
  EXPECT_EQ(d.stack.layers[0].kv_source, kTargetLayer);
  EXPECT_EQ(d.source_layer(0, target), 5);
  EXPECT_EQ(d.source_layer(3, target), 4);
  d.check_target("d", target);
  const auto refused = [&](const auto& change, const char* message) {
    Config other = target;
    change(other);
    EXPECT_THAT([&] { d.check_target("d", other); }, testing::ThrowsMessage<Error>(testing::StrEq(message)));
  };
  refused([](Config& c) { c.dim = 96; }, "d: expected a drafter for a target of width 96, found one for 64");
  refused([](Config& c) { c.vocab = 256; }, "d: expected a drafter of 256 tokens, as the target, found 512");
  refused([](Config& c) { c.layers[5].kv_heads = 3; },
          "d: layer 0: expected 4 heads of 16 to read the target's 3 KV heads of 16");
  refused([](Config& c) { c.layers[4].head_dim = 24; },
          "d: layer 3: expected 4 heads of 32 to read the target's 1 KV heads of 24");
  refused(
      [](Config& c) {
        for (LayerConfig& layer : c.layers) layer.global = false;
      },
      "d: layer 3 reads a full layer of the target, which has none");
  EXPECT_THROW(DrafterConfig::from_json("d", json_of("e_text/config.json")), Error);
}

}  // namespace
}  // namespace gemma
