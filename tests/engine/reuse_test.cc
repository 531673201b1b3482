// SPDX-License-Identifier: Apache-2.0
// What was read once is not read again: how many rows that leaves to feed, and that nobody can tell from the answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "engine/engine.h"
#include "file/testing/files.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

constexpr int kPage = 64, kWindow = 512;

/** A tiny model with a window such as real ones have. */
std::shared_ptr<const Model> wide_model(const std::string& name) {
  auto model = std::make_shared<Model>(*tiny_model(name, true));
  for (LayerConfig& layer : model->config.layers) {
    if (layer.window > 0) layer.window = kWindow;
  }
  return model;
}

EngineOptions options_of(const std::string& cache) {
  EngineOptions options;
  options.kv.types = *cache_types_named(cache);
  options.kv.page_size = kPage;
  options.speculation.length = 0;
  return options;
}

/** The answer, with numbers that tell whether logits were equal. */
struct Answer {
  std::vector<int32_t> tokens;
  std::vector<float> numbers;
  std::optional<Finish> finish;
  bool operator==(const Answer&) const = default;

  auto listener() {
    return [this](const Event& e) {
      EXPECT_EQ(e.error, "");
      if (e.token >= 0) tokens.push_back(e.token);
      if (e.token >= 0) numbers.push_back(e.logprob);
      for (const Alternative& each : e.top) numbers.push_back(each.logprob + static_cast<float>(each.token));
      finish = e.finish;
    };
  }
};

struct Prompt {
  std::vector<int32_t> tokens;
  std::vector<MediaRows> media;

  Request request() const {
    Request r;
    r.prompt = tokens;
    r.media = media;
    r.sampling.temperature = 0.8f;
    r.max_tokens = 4;
    r.top_logprobs = 20;
    r.loop_stop = false;
    return r;
  }
  void add(Dice& dice, int n) {
    const std::vector<int32_t> more = random_tokens(dice, n);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  void add_picture(Dice& dice, int rows, int dim) {
    MediaRows m{static_cast<int64_t>(tokens.size()), rows, true, Tensor::host(DType::f32, Shape{rows, dim}), 0};
    m.content = static_cast<uint64_t>(dice.between(1, 1 << 30));
    for (float& value : m.embedding.data_mutable<float>()) value = static_cast<float>(dice.between(-999, 999)) / 300;
    media.push_back(std::move(m));
    tokens.insert(tokens.end(), static_cast<size_t>(rows), 3);
  }
};

/** Rows of prompts that the engine fed for it. */
int64_t rows_for(Engine& engine, Request request, Answer& answer) {
  const int64_t before = engine.stats().prompt_tokens;
  EXPECT_NE(engine.submit(std::move(request), answer.listener()), 0);
  while (engine.step()) {
  }
  return engine.stats().prompt_tokens - before;
}

Answer fresh(const std::shared_ptr<const Model>& model, EngineOptions options, Request request) {
  options.kv.remembered = 0;
  options.kv.byte_limit = 0;
  Engine engine(model, nullptr, ops_with(1), options);
  Answer answer;
  rows_for(engine, std::move(request), answer);
  return answer;
}

struct Edited {
  const char* model;
  const char* cache;
  int tokens;
};

class Edits : public ::testing::TestWithParam<Edited> {};

/** A long prompt, with and without pictures at its end, edited within its last hundred tokens. */
TEST_P(Edits, AtTheEndReadLittleAgain) {
  const std::shared_ptr<const Model> model = wide_model(GetParam().model);
  const EngineOptions options = options_of(GetParam().cache);
  Dice dice(7);
  for (const int picture : {0, 70, 280}) {
    Engine engine(model, nullptr, ops_with(1), options);
    Prompt prompt;
    prompt.add(dice, GetParam().tokens - 60 - 2 * picture);
    for (int i = 0; i < 2 && picture > 0; ++i) prompt.add_picture(dice, picture, model->config.dim);
    prompt.add(dice, 60);
    Answer answer;
    EXPECT_EQ(rows_for(engine, prompt.request(), answer), static_cast<int64_t>(prompt.tokens.size()));
    std::vector<size_t> places{1, 37, 59, 60};
    if (picture < 100) places.push_back(100);
    for (const size_t from_end : places) {
      Prompt edited = prompt;
      edited.tokens[edited.tokens.size() - from_end] = 4;
      if (picture > 0 && from_end > 60) edited.media.back().content = 1;  // another picture altogether
      edited.add(dice, dice.below(3));
      const int64_t rows = rows_for(engine, edited.request(), answer = {});
      const auto added = static_cast<int64_t>(edited.tokens.size() - prompt.tokens.size());
      EXPECT_LE(rows, static_cast<int64_t>(from_end) + added + kPage + picture)
          << from_end << " of a picture of " << picture;
      if (from_end == places.back()) {
        EXPECT_EQ(answer, fresh(model, options, edited.request()));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Edits,
                         ::testing::Values(Edited{"e_text", "bf16", 8000}, Edited{"e_text", "f32", 1500},
                                           Edited{"dense_text", "kv8", 1500}, Edited{"gemma3_text", "tq4", 1500},
                                           Edited{"unified_text", "tq4/bf16,kv8", 1500},
                                           Edited{"moe_text", "tq2,tq4", 1500}),
                         [](const auto& each) { return test_name(std::string(each.param.model) + each.param.cache); });

class Restarts : public ::testing::TestWithParam<Edited> {};

/** A prompt that one engine has answered is gone on with by the next, pictures in it and all. */
TEST_P(Restarts, NeverReadItAgain) {
  const std::shared_ptr<const Model> model = wide_model(GetParam().model);
  const gemma::testing::TempFolder temporary;
  EngineOptions options = options_of(GetParam().cache), kept = options;
  kept.kv.folder = CacheFolder::open(temporary.path(), 1 << 30, [](const std::string& line) { FAIL() << line; });
  Dice dice(3);
  Prompt prompt;
  prompt.add(dice, GetParam().tokens / 2);
  prompt.add_picture(dice, 70, model->config.dim);
  prompt.add(dice, GetParam().tokens / 2);
  for (int process = 0; process < 3; ++process) {
    Engine engine(model, nullptr, ops_with(1), kept);
    const auto known = static_cast<int64_t>(prompt.tokens.size());
    if (process > 0) prompt.add(dice, 30);
    Answer answer;
    const int64_t rows = rows_for(engine, prompt.request(), answer);
    EXPECT_EQ(rows, process > 0 ? 30 : known);
    EXPECT_EQ(engine.stats().restored_tokens, process > 0 ? known : 0);
    EXPECT_EQ(answer, fresh(model, options, prompt.request()));
    if (process == 2) {
      prompt.media[0].content ^= 1;
      EXPECT_GE(rows_for(engine, prompt.request(), answer), GetParam().tokens / 2 + 100);
    }
    Request other = prompt.request();
    other.salt = 1;
    if (process < 2) {
      other.prompt.resize(200);
      other.media.clear();
      EXPECT_EQ(rows_for(engine, std::move(other), answer), process == 0 ? 200 : 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Restarts,
                         ::testing::Values(Edited{"e_text", "bf16", 3000}, Edited{"e_text", "f32", 700},
                                           Edited{"dense_text", "kv8", 1000}, Edited{"gemma3_text", "tq4", 700},
                                           Edited{"unified_text", "tq4/bf16,kv8", 700},
                                           Edited{"moe_text", "tq2/tq3,tq4", 700}),
                         [](const auto& each) { return test_name(std::string(each.param.model) + each.param.cache); });

class Reuse : public ::testing::Test {
 protected:
  std::shared_ptr<const Model> model_ = wide_model("e_text");
  EngineOptions options_ = options_of("bf16");
  Dice dice_{5};
};

/** Many who come at once with what the system says to all. */
TEST_F(Reuse, WhatAllBeginWithIsReadOnceThoughTheyComeTogether) {
  Prompt system;
  system.add(dice_, 1500);
  std::deque<Prompt> prompts(8, system);
  for (Prompt& each : prompts) each.add(dice_, 40);
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::deque<Answer> answers(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) engine.submit(prompts[i].request(), answers[i].listener());
  while (engine.step()) {
  }
  EXPECT_EQ(engine.stats().prompt_tokens, 1500 + 8 * 40);
  for (size_t i = 0; i < prompts.size(); i += 3) EXPECT_EQ(answers[i], fresh(model_, options_, prompts[i].request()));
}

TEST_F(Reuse, SaltsDoNotWaitForOneAnother) {
  Prompt prompt;
  prompt.add(dice_, 300);
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::deque<Answer> answers(3);
  for (size_t i = 0; i < answers.size(); ++i) {
    Request request = prompt.request();
    request.salt = i;
    engine.submit(std::move(request), answers[i].listener());
  }
  while (engine.step()) {
  }
  EXPECT_EQ(engine.stats().prompt_tokens, 3 * 300);
  EXPECT_EQ(engine.stats().reused_tokens, 0);
  EXPECT_EQ(answers[1], answers[0]);
}

/** Several answers to one prompt. */
TEST_F(Reuse, OnePromptForManyAnswersIsReadOnce) {
  Prompt prompt;
  prompt.add(dice_, 700);
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::deque<Answer> answers(6);
  for (size_t i = 0; i < answers.size(); ++i) {
    Request request = prompt.request();
    request.sampling.seed = i;
    engine.submit(std::move(request), answers[i].listener());
  }
  while (engine.step()) {
  }
  EXPECT_EQ(engine.stats().prompt_tokens, 700);
  EXPECT_EQ(engine.stats().reused_tokens, 5 * 699);
  Request last = prompt.request();
  last.sampling.seed = 5;
  EXPECT_EQ(answers[5], fresh(model_, options_, std::move(last)));
}

TEST_F(Reuse, OneThatGoesAwayLeavesNobodyWaiting) {
  Prompt prompt;
  prompt.add(dice_, 1200);
  Engine engine(model_, nullptr, ops_with(1), options_);
  Answer first, second;
  const Ticket ticket = engine.submit(prompt.request(), first.listener());
  engine.submit(prompt.request(), second.listener());
  engine.step();
  engine.cancel(ticket);
  while (engine.step()) {
  }
  EXPECT_EQ(first.finish, Finish::cancelled);
  EXPECT_EQ(second, fresh(model_, options_, prompt.request()));
  EXPECT_EQ(engine.stats().prompt_tokens, 1200);  // nor is what was read for the first one lost
}

/** Where two texts parted a third may part from them. */
TEST_F(Reuse, TheSecondToPartMakesAPlaceForTheThird) {
  Prompt common;
  common.add(dice_, 900);
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::vector<int64_t> rows;
  for (int i = 0; i < 3; ++i) {
    Prompt prompt = common;
    prompt.tokens.push_back(10 + i);
    prompt.add(dice_, 800);
    Answer answer;
    rows.push_back(rows_for(engine, prompt.request(), answer));
    if (i == 2) {
      EXPECT_EQ(answer, fresh(model_, options_, prompt.request()));
    }
  }
  EXPECT_EQ(rows[0], 1701);
  EXPECT_EQ(rows[1], 1701);  // no place before they parted
  EXPECT_EQ(rows[2], 801);
}

/** Turns that grow, each with all that was said before; a picture now and then. */
TEST_F(Reuse, ALoopOfTurnsReadsEachOnce) {
  for (const char* cache : {"bf16", "tq4"}) {
    const EngineOptions options = options_of(cache);
    Engine engine(model_, nullptr, ops_with(1), options);
    Prompt prompt;
    prompt.add(dice_, 400);
    int64_t rows = 0, said = 400;
    for (int turn = 0; turn < 12; ++turn) {
      Answer answer;
      rows += rows_for(engine, prompt.request(), answer);
      if (turn == 11) {
        EXPECT_EQ(answer, fresh(model_, options, prompt.request()));
      }
      const size_t kept = turn % 3 == 0 ? 2 : answer.tokens.size();  // thoughts are taken out of answers
      prompt.tokens.insert(prompt.tokens.end(), answer.tokens.begin(), answer.tokens.begin() + static_cast<long>(kept));
      if (turn % 4 == 1) prompt.add_picture(dice_, 70, model_->config.dim);
      const int more = dice_.between(20, 120);
      prompt.add(dice_, more);
      said += static_cast<int64_t>(kept) + (turn % 4 == 1 ? 70 : 0) + more;
    }
    EXPECT_LE(rows, said);
  }
}

/** One whose place another takes goes on from where it was. */
TEST_F(Reuse, OneThatHadToMakeWayIsNotReadAgain) {
  options_.max_sequences = 2;
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::deque<Prompt> prompts(3);
  std::deque<Answer> answers(3);
  for (size_t i = 0; i < 3; ++i) prompts[i].add(dice_, 300);
  const auto request = [&](size_t i) {
    Request r = prompts[i].request();
    r.max_tokens = 30;
    r.key = i / 2;
    return r;
  };
  for (size_t i : {0, 1}) engine.submit(request(i), answers[i].listener());
  while (answers[1].tokens.size() < 10) ASSERT_TRUE(engine.step());
  engine.submit(request(2), answers[2].listener());
  while (engine.step()) {
  }
  EXPECT_EQ(engine.stats().preemptions, 1);
  EXPECT_EQ(engine.stats().prompt_tokens, 3 * 300);
  for (size_t i : {0, 1, 2}) EXPECT_EQ(answers[i], fresh(model_, options_, request(i)));
}

TEST_F(Reuse, OneThatLeavesFreesItsPagesWithinAStep) {
  Engine engine(model_, nullptr, ops_with(1), options_);
  Prompt prompt, other;
  prompt.add(dice_, 1500);
  other.add(dice_, 100);
  Answer reading, answering;
  const Ticket first = engine.submit(other.request(), answering.listener());
  engine.step();
  const Ticket second = engine.submit(prompt.request(), reading.listener());
  engine.step();
  EXPECT_GT(engine.cache().bytes_used(), engine.cache().bytes_remembered());
  engine.cancel(first);
  engine.cancel(second);
  engine.step();
  EXPECT_EQ(reading.finish, Finish::cancelled);
  EXPECT_EQ(answering.finish, Finish::cancelled);
  // What is left is remembered, and gives way to anybody.
  EXPECT_EQ(engine.cache().bytes_used(), engine.cache().bytes_remembered());
}

/** A page that another's text lay in is taken as it is: its rows are written before they are read, and those that are
 *  not written yet are never read, not even as far as a bit of a logit goes. */
TEST_F(Reuse, NothingOfAnothersTextIsReadFromItsPages) {
  for (const char* cache : {"f32", "bf16", "kv8", "tq4", "tq2"}) {
    EngineOptions options = options_of(cache);
    options.kv.remembered = 0;
    Engine engine(model_, nullptr, ops_with(1), options);
    const auto prompt_of = [this](int tokens) {
      Prompt prompt;
      prompt.add(dice_, tokens);
      return prompt;
    };
    Answer another;
    rows_for(engine, prompt_of(700).request(), another);
    EXPECT_EQ(engine.cache().bytes_used(), 0) << cache;
    const int64_t pages = engine.cache().bytes_allocated();
    for (const int tokens : {1, kPage - 1, kPage, 100, 600}) {
      Answer answer;
      const Prompt prompt = prompt_of(tokens);
      rows_for(engine, prompt.request(), answer);
      EXPECT_EQ(answer, fresh(model_, options, prompt.request())) << cache << ", " << tokens << " tokens";
      EXPECT_EQ(engine.cache().bytes_allocated(), pages) << cache << ": these are not the same pages";
    }
  }
}

}  // namespace
}  // namespace gemma::testing_engine
