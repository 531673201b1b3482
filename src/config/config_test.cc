// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"

namespace gemma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

json::value golden_json(const std::string& path) {
  const std::string full = std::string(GEMMA4_GOLDEN) + "/" + path;
  return parse_json_or_fail(path, read_file(full));
}

Config parse(const json::value& config) { return Config::from_json("config.json", config); }

/** A small config with changes: `with(R"({"head_dim": 3})")`; a null value removes nothing, it is null. */
json::object small(std::string_view changes = "{}") {
  json::object keys = parse_json_or_fail("test", R"({
    "model_type": "gemma4_text", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 16,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "sliding_window": 6, "max_position_embeddings": 128, "hidden_size_per_layer_input": 0})")
                          .as_object();
  const json::value changed = parse_json_or_fail("test", changes);
  for (const auto& change : changed.as_object()) keys[change.key()] = change.value();
  return keys;
}

std::string error_of(std::string_view changes) {
  try {
    parse(small(changes));
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

/** What both forms of a config must agree on. */
void expect_same_layers(const Config& a, const Config& b) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t i = 0; i < a.layers.size(); ++i) {
    SCOPED_TRACE(i);
    const LayerConfig &x = a.layers[i], &y = b.layers[i];
    EXPECT_EQ(x.global, y.global);
    EXPECT_EQ(x.heads, y.heads);
    EXPECT_EQ(x.kv_heads, y.kv_heads);
    EXPECT_EQ(x.head_dim, y.head_dim);
    EXPECT_EQ(x.window, y.window);
    EXPECT_EQ(x.k_is_v, y.k_is_v);
    EXPECT_EQ(x.kv_source, y.kv_source);
    EXPECT_EQ(x.mlp_width, y.mlp_width);
    EXPECT_EQ(x.bidirectional_media, y.bidirectional_media);
    EXPECT_EQ(x.rope.inverse_frequency, y.rope.inverse_frequency);
  }
}

TEST(Config, BothFormsOfPerLayerShapesAgree) {
  for (const char* name : {"e_text", "dense_text", "moe_text", "unified_text"}) {
    SCOPED_TRACE(name);
    const Config a = parse(golden_json(std::string(name) + "/config.json"));
    const Config b = parse(golden_json(std::string(name) + "/config_hub.json"));
    expect_same_layers(a, b);
    EXPECT_EQ(a.dim, b.dim);
    EXPECT_EQ(a.per_layer_dim, b.per_layer_dim);
    EXPECT_EQ(a.softcap, b.softcap);
  }
}

TEST(Config, SharedLayersReadTheLastCacheOfTheirKindAndAreTwiceAsWide) {
  const Config c = parse(golden_json("e_text/config.json"));
  ASSERT_EQ(c.layers.size(), 10u);
  EXPECT_EQ(c.layers[5].kv_source, 5);
  EXPECT_EQ(c.layers[6].kv_source, 5);
  EXPECT_EQ(c.layers[9].kv_source, 4);
  EXPECT_EQ(c.layers[5].mlp_width, 96);
  EXPECT_EQ(c.layers[6].mlp_width, 192);
  EXPECT_EQ(c.per_layer_dim, 16);
}

TEST(Config, FullLayersOfLargeModelsShareKAndV) {
  const Config c = parse(golden_json("unified_text/config.json"));
  EXPECT_TRUE(c.layers[5].k_is_v);
  EXPECT_FALSE(c.layers[4].k_is_v);
  EXPECT_EQ(c.layers[5].kv_heads, 1);  // key "05": zero-padded
  EXPECT_EQ(c.layers[11].head_dim, 32);
  EXPECT_TRUE(c.layers[4].bidirectional_media);
  EXPECT_FALSE(c.layers[5].bidirectional_media);
}

TEST(Config, PartialRopeUsesTheWholeHeadAsDivisor) {
  const Config c = parse(small());
  const auto& f = c.layers[1].rope.inverse_frequency;  // full: 16, a quarter rotated, 2 pairs
  ASSERT_EQ(f.size(), 8u);
  EXPECT_EQ(f[0], 1.0f);
  EXPECT_FLOAT_EQ(f[1], std::pow(1e6f, -2.0f / 16));
  EXPECT_EQ(f[2], 0.0f);
  const auto& s = c.layers[0].rope.inverse_frequency;
  EXPECT_FLOAT_EQ(s[3], std::pow(1e4f, -6.0f / 8));
}

TEST(Config, RopeSettingsPerKindOfLayer) {
  const Config c = parse(small(R"({"rope_parameters": {
      "full_attention": {"rope_type": "proportional", "rope_theta": 500.0, "partial_rotary_factor": 0.7, "factor": 4.0},
      "sliding_attention": {"rope_type": "linear", "rope_theta": 100.0, "factor": 2.0}}})"));
  const auto& full = c.layers[1].rope.inverse_frequency;
  EXPECT_FLOAT_EQ(full[0], 0.25f);
  EXPECT_FLOAT_EQ(full[4], std::pow(500.0f, -8.0f / 16) / 4);  // int(0.7 * 16 // 2) = 5 pairs
  EXPECT_EQ(full[5], 0.0f);
  EXPECT_FLOAT_EQ(c.layers[0].rope.inverse_frequency[1], std::pow(100.0f, -2.0f / 8) / 2);
}

TEST(Config, LastLayerOfGemma4IsFullWhateverTheFileSays) {
  const Config c = parse(small(R"({"layer_types": ["full_attention", "sliding_attention", "sliding_attention",
                                                    "sliding_attention"]})"));
  EXPECT_TRUE(c.layers[0].global);
  EXPECT_TRUE(c.layers[3].global);
  EXPECT_EQ(c.layers[3].window, 0);
}

TEST(Config, MissingLayerTypesMeanEverySixth) {
  const Config c = parse(small(R"({"layer_types": null, "num_hidden_layers": 13})"));
  EXPECT_FALSE(c.layers[4].global);
  EXPECT_TRUE(c.layers[5].global);
  EXPECT_TRUE(c.layers[11].global);
  EXPECT_TRUE(c.layers[12].global);
}

TEST(Config, PerLayerMapWinsOverGlobalHeadDim) {
  const Config c = parse(small(R"({"per_layer_config": {"1": {"head_dim": 24, "num_key_value_heads": 4}}})"));
  EXPECT_EQ(c.layers[1].head_dim, 24);
  EXPECT_EQ(c.layers[1].kv_heads, 4);
  EXPECT_EQ(c.layers[3].head_dim, 8);  // not in the map: the plain key
}

TEST(Config, GlobalKvHeadsCountOnlyWhereKIsV) {
  EXPECT_EQ(parse(small(R"({"num_global_key_value_heads": 1})")).layers[1].kv_heads, 2);
  EXPECT_EQ(parse(small(R"({"num_global_key_value_heads": 1, "attention_k_eq_v": true})")).layers[1].kv_heads, 1);
}

TEST(Config, Gemma3AsOnTheHub) {
  const Config c = parse(parse_json_or_fail("test", R"({"architectures": ["Gemma3ForConditionalGeneration"],
      "model_type": "gemma3", "eos_token_id": [1, 106], "vision_config": {"hidden_size": 1152}, "text_config": {
      "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
      "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}})"));
  EXPECT_EQ(c.generation, 3);
  EXPECT_EQ(c.vocab, 262208);
  EXPECT_EQ(c.layers[0].heads, 8);
  EXPECT_EQ(c.layers[0].kv_heads, 4);
  EXPECT_EQ(c.layers[0].window, 1024);
  EXPECT_TRUE(c.layers[5].global);
  EXPECT_FALSE(c.layers[33].global);  // nothing is forced in Gemma 3
  EXPECT_FLOAT_EQ(c.layers[5].rope.inverse_frequency[0], 0.125f);
  EXPECT_FLOAT_EQ(c.layers[0].rope.inverse_frequency[0], 1.0f);
  EXPECT_FLOAT_EQ(c.layers[0].attention_scale, 1.0f / 16);
  EXPECT_FALSE(c.layers[0].v_norm);
  EXPECT_FALSE(c.layers[0].layer_scalar);
  EXPECT_EQ(c.softcap, std::nullopt);
  EXPECT_THAT(c.special.eos, ElementsAre(1, 106));
}

TEST(Config, StopAndSuppressedIds) {
  const json::value hub = golden_json("unified_text/hub_style/config.json");
  // No generation_config: the two ids of config.json (the 12B), stop ids of the config.
  const Config plain = parse(hub);
  EXPECT_THAT(plain.special.suppress, ElementsAre(501, 505));
  EXPECT_THAT(plain.special.eos, ElementsAre(1, 106));
  EXPECT_EQ(plain.special.image, 502);
  EXPECT_EQ(plain.special.audio_end, 505);
  const json::value generation = parse_json_or_fail(
      "test",
      R"({"eos_token_id": [1, 50, 600], "suppress_tokens": [7], "temperature": 0.5, "top_k": 10, "top_p": 0.9})");
  const Config given = Config::from_json("config.json", hub, &generation);
  EXPECT_THAT(given.special.suppress, ElementsAre(7));
  EXPECT_THAT(given.special.eos, ElementsAre(1, 50));  // 600 is outside the vocabulary
  EXPECT_EQ(given.generation_defaults.top_k, 10);
  EXPECT_EQ(given.generation_defaults.temperature, 0.5f);
  EXPECT_TRUE(parse(golden_json("unified_text/config.json")).special.suppress.empty());
}

TEST(Config, UnreadableConfigsSayWhatWasExpected) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"model_type": "llama"})", "'llama' is not supported: gemma4 reads gemma3, gemma4"},
      {R"({"model_type": "gemma4_assistant"})", "is a drafter"},
      {R"({"model_type": 4})", "model_type: expected a string, found 4"},
      {R"({"hidden_size": "32"})", "hidden_size: expected a whole number from 1 to 1048576, found \"32\""},
      {R"({"hidden_size": -1})", "found -1"},
      {R"({"hidden_size": 0})", "found 0"},
      {R"({"hidden_size": 32.5})", "found 32.5"},
      {R"({"hidden_size": 99999999999})", "found 99999999999"},
      {R"({"vocab_size": 18446744073709551615})", "vocab_size"},
      {R"({"num_hidden_layers": 100000000})", "num_hidden_layers"},
      {R"({"num_key_value_heads": 3})", "layer 0: expected a number of heads that 3 KV heads divide, found 4"},
      {R"({"head_dim": 7})", "layer 0: expected an even head size, found 7"},
      {R"({"sliding_window": 0})", "sliding_window"},
      {R"({"layer_types": ["full_attention"]})", "layer_types: expected 4 entries, one a layer, found 1"},
      {R"({"layer_types": ["full_attention", "chunked", "full_attention", "full_attention"]})", "layer_types[1]"},
      {R"({"layer_types": "full_attention"})", "expected a list of strings"},
      {R"({"hidden_activation": "silu"})", "hidden_activation: expected gelu_pytorch_tanh, found \"silu\""},
      {R"({"attention_bias": true})", "attention_bias: expected false"},
      {R"({"attn_logit_softcapping": 50.0})", "attn_logit_softcapping: expected null"},
      {R"({"use_bidirectional_attention": "all"})", "use_bidirectional_attention"},
      {R"({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}})", "rope_type: expected default, linear"},
      {R"({"rope_parameters": {"full_attention": {"rope_theta": -1}}})", "rope_parameters.full_attention.rope_theta"},
      {R"({"rope_parameters": []})", "rope_parameters: expected an object, found a list"},
      {R"({"per_layer_config": {"9": {"head_dim": 8}}})", "per_layer_config.9"},
      {R"({"per_layer_config": {"x": {"head_dim": 8}}})", "per_layer_config.x"},
      {R"({"per_layer_config": {"1": {"sliding_window": 8}}})", "per_layer_config.1.sliding_window"},
      {R"({"num_kv_shared_layers": 4})", "num_kv_shared_layers"},
      {R"({"num_kv_shared_layers": 3})", "layer 1 shares the cache of an earlier full layer"},
      {R"({"enable_moe_block": true})", "num_experts"},
      {R"({"enable_moe_block": true, "num_experts": 4, "top_k_experts": 5, "moe_intermediate_size": 8})", "found 5"},
      {R"({"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 32})", "vocab_size_per_layer_input"},
      {R"({"rms_norm_eps": 0})", "rms_norm_eps"},
      {R"({"final_logit_softcapping": -3})", "final_logit_softcapping"},
      {R"({"pad_token_id": 64})", "pad token: expected an id below the vocabulary's 64, found 64"},
      {R"({"text_config": [1]})", "text_config: expected an object"},
  };
  for (const auto& [changes, message] : wrong) EXPECT_THAT(error_of(changes), HasSubstr(message)) << changes;
  EXPECT_EQ(error_of("{}"), "no error");
}

TEST(Config, AnArchitectureWithoutModelTypeIsKnownByItsClass) {
  json::object keys = small();
  keys.erase("model_type");
  EXPECT_THROW(parse(keys), Error);
  keys["architectures"] = json::array{"Gemma4UnifiedForCausalLM"};
  EXPECT_EQ(parse(keys).architecture, "gemma4_unified");
  keys["architectures"] = json::array{"LlamaForCausalLM"};
  EXPECT_THROW(parse(keys), Error);
}

}  // namespace
}  // namespace gemma
