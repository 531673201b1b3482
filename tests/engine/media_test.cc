// SPDX-License-Identifier: Apache-2.0
// Requests with pictures, film and sound: encoded between steps, whatever else runs, to the golden ids; once where they
// are asked about twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "../bench/random_encoders.h"
#include "../parity/media_case.h"
#include "engine/engine.h"

namespace gemma::testing_engine {
namespace {

using parity::Case;
using parity::Kind;
using testing::HasSubstr;

struct Answer {
  std::vector<int32_t> tokens;
  std::string error;
  bool done = false;

  auto listener() {
    return [this](const Event& e) {
      if (e.token >= 0) tokens.push_back(e.token);
      error += e.error;
      done = e.finish.has_value();
    };
  }
};

/** A golden prompt to be answered greedily. `content`: of its first picture or clip; the others' follow. */
Request golden_request(const Case& c, const std::string& prompt, uint64_t content) {
  Request r;
  r.prompt = c.ids(prompt + "/input_ids");
  const std::vector<int32_t> types = c.ids(prompt + "/mm_token_type_ids");
  parity::MediaInputs inputs = parity::media_inputs(c, prompt);
  std::map<Kind, size_t> used;
  for (size_t i = 0, end; i < types.size(); i = end) {
    for (end = i + 1; end < types.size() && types[end] == types[i];) ++end;
    const auto kind = static_cast<Kind>(types[i]);
    if (kind == Kind::text) continue;
    r.media.push_back({static_cast<int64_t>(i), static_cast<int64_t>(end - i), kind != Kind::audio, {}, content++});
    r.inputs.push_back(inputs.at(kind)[used[kind]++]);
  }
  r.sampling.temperature = 0;
  r.max_tokens = static_cast<int>(c.ids(prompt + "/greedy_ids").size());
  r.loop_stop = false;
  return r;
}

Request text_request(int tokens) {
  Request r;
  r.prompt = {2, 17, 33, 48};
  r.sampling.temperature = 0.8f;
  r.max_tokens = tokens;
  r.loop_stop = false;
  return r;
}

struct Golden {
  Case golden_case;
  parity::MediaModel model;
  explicit Golden(const std::string& name) : golden_case(name), model(parity::load_media(name, "config.json", true)) {
    auto endless = std::make_shared<Model>(*model.text);  // the goldens go on behind stop ids
    endless->config.special.eos.clear();
    model.text = endless;
  }
  EngineOptions options(int rows) const {
    EngineOptions o;
    o.context = 512;
    o.batch_tokens = rows;
    o.kv.types = *cache_types_named("f32");
    o.encoders = model.encoders;
    return o;
  }
};

class MediaRequests : public testing::TestWithParam<const char*> {};

TEST_P(MediaRequests, GoldenIdsWhateverRunsBeside) {
  const Golden s(GetParam());
  for (const std::string& prompt : s.golden_case.prompts()) {
    const auto expected = s.golden_case.ids(prompt + "/greedy_ids");
    if (expected.empty()) continue;
    for (const int rows : {512, 20}) {
      SCOPED_TRACE(fmt::format("{}, {} rows", prompt, rows));
      Engine engine(s.model.text, nullptr, parity::cpu_ops(), s.options(rows));
      Answer alone, beside, picture;
      engine.submit(text_request(40), alone.listener());
      while (engine.step()) {
      }
      engine.submit(text_request(40), beside.listener());
      engine.step();
      engine.submit(golden_request(s.golden_case, prompt, 1), picture.listener());
      while (engine.step()) {
      }
      EXPECT_EQ(picture.tokens, expected) << picture.error;
      EXPECT_EQ(beside.tokens, alone.tokens);
      EXPECT_GT(engine.stats().media_encoded, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, MediaRequests,
                         testing::Values("e_vision", "moe_vision", "dense_mixed_video", "mixed", "unified_mixed"),
                         [](const testing::TestParamInfo<const char*>& name) { return std::string(name.param); });

TEST(Media, AnswersGoOnWhileAPictureIsEncoded) {
  const Golden s("e_vision");
  Engine engine(s.model.text, nullptr, parity::cpu_ops(), s.options(512));
  Answer text, picture;
  engine.submit(text_request(100), text.listener());
  while (text.tokens.empty()) engine.step();
  engine.submit(golden_request(s.golden_case, "one_square_70", 1), picture.listener());
  const size_t before = text.tokens.size();
  while (engine.stats().media_encoded == 0) ASSERT_TRUE(engine.step());
  EXPECT_GE(text.tokens.size() - before, s.model.encoders->vision->layers.size());  // a step a layer
  EXPECT_LE(picture.tokens.size(), 1U);
}

/** Not even a layer of a large picture makes others wait for all of it. */
TEST(Media, AnswersGoOnWithinALayer) {
  constexpr int kColumns = 120, kRows = 84, kSoftTokens = 1120, kSteps = 4;
  const Golden s("e_vision");
  EngineOptions options = s.options(512);
  options.context = 2000;
  options.encoders = random_encoders(parity::cpu_ops(), FileType::bf16, 1);
  Engine engine(s.model.text, nullptr, parity::cpu_ops(), options);
  Answer text;
  engine.submit(text_request(100), text.listener());
  while (text.tokens.empty()) engine.step();
  Request request = text_request(1);
  request.prompt.resize(kSoftTokens + 2, 2);
  request.media.push_back({1, kSoftTokens, true, {}, 1});
  request.inputs.push_back({{random_input(kColumns * kRows, 768), kColumns}, {}});
  Answer picture;
  const Ticket ticket = engine.submit(std::move(request), picture.listener());
  const size_t before = text.tokens.size();
  for (int i = 0; i < kSteps; ++i) ASSERT_TRUE(engine.step());  // begun, and three slices: the layer alone has seven
  EXPECT_EQ(text.tokens.size() - before, kSteps);
  EXPECT_EQ(engine.stats().media_encoded, 0);
  EXPECT_GT(engine.stats().encode_seconds, 0);
  EXPECT_EQ(picture.error, "");
  engine.cancel(ticket);  // the tower is not this model's
  while (engine.step()) {
  }
}

TEST(Media, AskingTwiceEncodesOnce) {
  const Golden s("dense_mixed_video");
  const std::string prompt = s.golden_case.prompts().front();
  EngineOptions options = s.options(512);
  options.kv.remembered = 0;  // nor are prefixes found again
  Engine engine(s.model.text, nullptr, parity::cpu_ops(), options);
  Answer first, second, other;
  engine.submit(golden_request(s.golden_case, prompt, 1), first.listener());
  engine.submit(golden_request(s.golden_case, prompt, 1), second.listener());
  while (engine.step()) {
  }
  const auto parts = static_cast<int64_t>(golden_request(s.golden_case, prompt, 1).media.size());
  EXPECT_EQ(engine.stats().media_encoded, parts);
  EXPECT_EQ(engine.stats().media_found, parts);
  EXPECT_EQ(second.tokens, first.tokens);
  engine.submit(golden_request(s.golden_case, prompt, 100), other.listener());  // shows something else, for all we know
  while (engine.step()) {
  }
  EXPECT_EQ(engine.stats().media_encoded, 2 * parts);
  EXPECT_EQ(other.tokens, first.tokens);
}

/** Somebody with many pictures does not keep another waiting longer than one of them takes. */
TEST(Media, KeysEncodeInTurns) {
  const Golden s("e_vision");
  EngineOptions options = s.options(512);
  options.kv.remembered = 0;
  Engine engine(s.model.text, nullptr, parity::cpu_ops(), options);
  std::vector<uint64_t> answered;
  const auto send = [&](uint64_t key, uint64_t content) {
    Request request = golden_request(s.golden_case, "one_square_70", content);
    request.key = key;
    request.max_tokens = 1;
    engine.submit(std::move(request), [&answered, key](const Event&) { answered.push_back(key); });
  };
  for (uint64_t i = 0; i < 5; ++i) send(0, 10 + i);
  engine.step();
  send(1, 100);
  send(1, 101);
  while (engine.step()) {
  }
  EXPECT_THAT(answered, testing::ElementsAre(0, 1, 0, 1, 0, 0, 0));
}

/** What a prefix in the cache covers needs no soft tokens. */
TEST(Media, AKnownPrefixIsNotEncodedAgain) {
  const Golden s("dense_mixed_video");
  const std::string prompt = s.golden_case.prompts().front();
  EngineOptions options = s.options(512);
  options.encoded_bytes = 0;
  Engine engine(s.model.text, nullptr, parity::cpu_ops(), options);
  Answer first, second;
  engine.submit(golden_request(s.golden_case, prompt, 1), first.listener());
  while (engine.step()) {
  }
  const int64_t encoded = engine.stats().media_encoded;
  engine.submit(golden_request(s.golden_case, prompt, 1), second.listener());
  while (engine.step()) {
  }
  EXPECT_EQ(engine.stats().media_encoded, encoded);
  EXPECT_EQ(second.tokens, first.tokens);
}

/** A request that is given up inside a sound leaves a prefix that ends there; the next one finds it before the sound is
 *  encoded again, while an older request has its own encoded. */
TEST(Media, APrefixThatEndsInsideASoundIsGoneOnWith) {
  const Golden s("e_audio");
  const std::string prompt = s.golden_case.prompts().front();
  const Request whole = golden_request(s.golden_case, prompt, 1);
  ASSERT_GT(whole.media[0].rows, 16);
  EngineOptions options = s.options(8);
  options.encoded_bytes = 0;
  options.kv.page_size = 8;
  Engine engine(s.model.text, nullptr, parity::cpu_ops(), options);
  Answer gone, older, again;
  const Ticket ticket = engine.submit(golden_request(s.golden_case, prompt, 1), gone.listener());
  while (engine.stats().prompt_tokens < whole.media[0].first_row + 12) ASSERT_TRUE(engine.step());
  engine.cancel(ticket);
  while (engine.step()) {
  }
  ASSERT_TRUE(gone.tokens.empty());
  engine.submit(golden_request(s.golden_case, prompt, 50), older.listener());
  engine.submit(golden_request(s.golden_case, prompt, 1), again.listener());
  while (engine.step()) {
  }
  const std::vector<int32_t> expected = s.golden_case.ids(prompt + "/greedy_ids");
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(older.tokens, expected) << older.error;
  EXPECT_EQ(again.tokens, expected) << again.error;
  EXPECT_GT(engine.stats().reused_tokens, whole.media[0].first_row);
}

/** A hash says little: soft tokens of another number are another picture's. */
TEST(Media, SoftTokensOfAnotherNumberAreNotTaken) {
  const Golden s("e_vision");
  EngineOptions options = s.options(512);
  options.kv.remembered = 0;
  Engine engine(s.model.text, nullptr, parity::cpu_ops(), options);
  std::set<int64_t> sizes;
  const auto answered = [&](const std::string& prompt, uint64_t content) {
    Request request = golden_request(s.golden_case, prompt, content);
    request.max_tokens = 4;
    Answer answer;
    engine.submit(std::move(request), answer.listener());
    while (engine.step()) {
    }
    EXPECT_EQ(answer.error, "");
    return answer.tokens;
  };
  for (const std::string& prompt : s.golden_case.prompts()) {
    const Request request = golden_request(s.golden_case, prompt, 1);
    if (request.media.size() != 1 || !sizes.insert(request.media[0].rows).second) continue;
    EXPECT_EQ(answered(prompt, 1), answered(prompt, 1 + sizes.size())) << prompt;
  }
  EXPECT_GT(sizes.size(), 1U);
}

TEST(Media, WhatCannotBeEncodedIsSaid) {
  const Golden s("e_vision");
  const auto error = [&](auto change, bool encoders = true) {
    EngineOptions options = s.options(512);
    if (!encoders) options.encoders = nullptr;
    Engine engine(s.model.text, nullptr, parity::cpu_ops(), options);
    Request r = golden_request(s.golden_case, "one_square_70", 1);
    change(r);
    Answer answer;
    engine.submit(std::move(r), answer.listener());
    while (engine.step()) {
    }
    return answer.error;
  };
  EXPECT_THAT(error([](Request&) {}, false), HasSubstr("expected an embedding, or an input and encoders for it"));
  EXPECT_THAT(error([](Request& r) { r.inputs.clear(); }), HasSubstr("expected an embedding, or an input"));
  EXPECT_THAT(error([](Request& r) { ++r.media[0].rows; }), HasSubstr("the input makes 64 soft tokens"));
  EXPECT_THAT(error([](Request& r) { r.inputs[0].picture.columns = 23; }),
              HasSubstr("expected a grid of cells of 3 x 3"));
  EXPECT_THAT(error([](Request& r) { r.prompt.resize(static_cast<size_t>(r.media[0].first_row + r.media[0].rows)); }),
              HasSubstr("expected a token behind the last picture"));
  EXPECT_THAT(error([](Request& r) { r.inputs[0] = {{}, Tensor::host(DType::f32, {3, 128})}; }),
              HasSubstr("sound: this model has no encoder for it"));
}

}  // namespace
}  // namespace gemma::testing_engine
