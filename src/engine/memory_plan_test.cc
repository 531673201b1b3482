// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <gmock/gmock.h>

namespace gemma {
namespace {

using testing::HasSubstr;

Config big_config() {
  Config config;
  config.dim = 1536;
  config.vocab = 262144;
  config.context = 131072;
  for (int i = 0; i < 10; ++i) {
    LayerConfig layer;
    layer.heads = 8;
    layer.kv_heads = 1;
    layer.head_dim = 256;
    layer.window = i % 5 == 4 ? 0 : 512;
    layer.mlp_width = 6144;
    layer.kv_source = i;
    config.layers.push_back(layer);
  }
  return config;
}

std::string error_of(const Config& config, const EngineOptions& options, int64_t available) {
  try {
    plan_memory(config, options, available);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

constexpr int64_t kGigabyte = 1'000'000'000;

TEST(MemoryPlan, TheModelsContextWhereItFits) {
  const MemoryPlan plan = plan_memory(big_config(), {}, 10 * kGigabyte);
  EXPECT_EQ(plan.context, 131072);
  EXPECT_GT(plan.kv_bytes, 9 * kGigabyte);
  EXPECT_LT(plan.kv_bytes, 10 * kGigabyte);  // a step needs some, too
}

TEST(MemoryPlan, WhatWeightsInTheFileLeaveFreeIsEnoughForAUsualContext) {
  EngineOptions options;
  EXPECT_EQ(plan_memory(big_config(), options, usual_bytes(big_config(), options)).context, 4096);
  options.context = 9000;
  EXPECT_EQ(plan_memory(big_config(), options, usual_bytes(big_config(), options)).batch_tokens, 512);
}

TEST(MemoryPlan, TheLongestContextThatFits) {
  EngineOptions options;
  options.kv.byte_limit = 100'000'000;
  const MemoryPlan plan = plan_memory(big_config(), options, 10 * kGigabyte);
  EXPECT_EQ(plan.kv_bytes, 100'000'000);
  EXPECT_GT(plan.context, 1000);
  EXPECT_LE(KvCache::bytes_for(big_config(), options.kv, plan.context), plan.kv_bytes);
  EXPECT_GT(KvCache::bytes_for(big_config(), options.kv, plan.context + 64), plan.kv_bytes);
}

TEST(MemoryPlan, ShorterStepsWhereLongOnesDoNotFit) {
  EngineOptions options;
  options.context = 20'000;
  options.max_sequences = 1;
  const int64_t keys = KvCache::bytes_for(big_config(), {}, options.context);
  const MemoryPlan roomy = plan_memory(big_config(), options, keys + activation_bytes(big_config(), options));
  EXPECT_EQ(roomy.batch_tokens, 512);
  EXPECT_EQ(roomy.context, 20'000);
  EngineOptions less = options;
  less.batch_tokens = 128;
  const MemoryPlan tight = plan_memory(big_config(), options, keys + activation_bytes(big_config(), less));
  EXPECT_EQ(tight.batch_tokens, 128);
  EXPECT_EQ(tight.context, 20'000);
  EXPECT_LE(tight.kv_bytes, keys);
  EXPECT_THAT(error_of(big_config(), options, keys), HasSubstr("20000 tokens need "));
}

TEST(MemoryPlan, EncodersAndWhatTheyMadeAreCounted) {
  EngineOptions options;
  options.kv.byte_limit = 0;
  const MemoryPlan without = plan_memory(big_config(), options, 3 * kGigabyte);
  auto encoders = std::make_shared<Encoders>();
  VisionConfig& vision = encoders->config.vision.emplace();
  vision.dim = 768, vision.heads = 12, vision.head_dim = 64, vision.mlp_width = 3072, vision.patch = 16,
  vision.pool = 3;
  options.encoders = encoders;
  const MemoryPlan with = plan_memory(big_config(), options, 3 * kGigabyte);
  const int64_t step = activation_bytes(big_config(), options), media = encoding_bytes(encoders->config, options);
  EXPECT_GT(media, step);  // they take turns: only what encoders take beyond a step is kept free
  EXPECT_EQ(without.kv_bytes - with.kv_bytes, media - step + options.encoded_bytes);
  EXPECT_EQ(usual_bytes(big_config(), options) - usual_bytes(big_config(), {}), media - step + options.encoded_bytes);
  options.picture_tokens = 70;  // now a step is more; a picture that waits lies beside it
  const int64_t waiting = int64_t{4} * 70 * 9 * (768 + 3 * 12 * 64);
  EXPECT_EQ(without.kv_bytes - plan_memory(big_config(), options, 3 * kGigabyte).kv_bytes,
            waiting + options.encoded_bytes);
}

TEST(MemoryPlan, KeepsFreeWhatMayComeLater) {
  EngineOptions options;
  options.kv.byte_limit = 0;
  const int64_t all = plan_memory(big_config(), options, 3 * kGigabyte).kv_bytes;
  options.kept_free = 200'000'000;
  EXPECT_EQ(plan_memory(big_config(), options, 3 * kGigabyte).kv_bytes, all - 200'000'000);
}

TEST(MemoryPlan, SaysWhatIsNeededAndFound) {
  EngineOptions options;
  options.context = 100'000;
  EXPECT_EQ(plan_memory(big_config(), options, 10 * kGigabyte).context, 100'000);
  EXPECT_THAT(error_of(big_config(), options, 300'000'000), HasSubstr("100000 tokens need "));
  options.kv.byte_limit = 1'000'000;
  EXPECT_THAT(error_of(big_config(), options, 10 * kGigabyte), HasSubstr("the cache's limit keeps back the rest"));
  options.context = 0;
  EXPECT_THAT(error_of(big_config(), options, 10 * kGigabyte), HasSubstr("256 tokens need "));
  EXPECT_THAT(error_of(big_config(), {}, 1000), HasSubstr("256 tokens need "));
  options.context = 131'073;
  EXPECT_THAT(error_of(big_config(), options, 10 * kGigabyte), HasSubstr("at most 131072 tokens"));
}

}  // namespace
}  // namespace gemma
