// SPDX-License-Identifier: Apache-2.0
// The engine from outside: what is refused, how answers end, what events say.
#include "engine/engine.h"

#include <gmock/gmock.h>

#include <limits>
#include <thread>

#include "engine/tiny_tokenizer.h"
#include "file/model_file.h"
#include "script_mask.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Lt;

struct Heard {
  std::vector<int32_t> tokens;
  std::string text, error;
  std::vector<Event> events;
  std::optional<Finish> finish;
  std::function<void(const Event&)> listener() {
    return [this](const Event& e) {
      EXPECT_FALSE(finish);
      if (e.token >= 0) tokens.push_back(e.token);
      text += e.text;
      finish = e.finish;
      error = e.error;
      events.push_back(e);
    };
  }
};

EngineOptions small_options() {
  EngineOptions options;
  options.context = 1200;
  options.kv.types = *cache_types_named("f32");
  options.kv.page_size = 16;
  return options;
}

Request request_of(std::vector<int32_t> prompt, int max_tokens = 10) {
  Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = max_tokens;
  r.sampling.temperature = 0;
  return r;
}

Heard run(Engine& engine, Request request) {
  Heard heard;
  EXPECT_NE(engine.submit(std::move(request), heard.listener()), 0);
  while (engine.step()) {
  }
  EXPECT_TRUE(heard.finish);
  return heard;
}

class Answers : public testing::Test {
 protected:
  std::shared_ptr<const Model> model_ = tiny_model("unified_text");
  Engine engine_{model_, nullptr, ops_with(1), small_options()};
};

TEST(Golden, GreedyIdsAreTheReferences) {
  for (const char* name : kModels) {
    SCOPED_TRACE(name);
    const ModelFile file = ModelFile::open(std::string(GEMMA4_GOLDEN) + "/" + name + "/vectors.safetensors");
    const auto ids = [&](const char* tensor) {
      const TensorRecord* record = file.find(tensor);
      std::vector<int32_t> values(static_cast<size_t>(record->shape.count()));
      file.read(*record, std::as_writable_bytes(std::span(values)));
      return values;
    };
    const std::vector<int32_t> expected = ids("p_long/greedy_ids");
    auto model = std::make_shared<Model>(*tiny_model(name));
    model->config.special.pad = model->config.special.bos = -1;  // the reference lets these come
    Engine engine(model, nullptr, ops_with(2), small_options());
    Request request = request_of(ids("p_long/input_ids"), static_cast<int>(expected.size()));
    EXPECT_EQ(run(engine, std::move(request)).tokens, expected);
  }
}

TEST_F(Answers, WrongRequestsAreRefusedByName) {
  const auto error = [&](const std::function<void(Request&)>& change) {
    Request r = request_of({5, 6, 7});
    change(r);
    Heard heard = run(engine_, std::move(r));
    EXPECT_EQ(heard.finish, Finish::error);
    EXPECT_TRUE(heard.tokens.empty());
    return heard.error;
  };
  EXPECT_EQ(error([](Request& r) { r.prompt.clear(); }), "prompt: is empty");
  EXPECT_EQ(error([](Request& r) { r.prompt.assign(1200, 5); }),
            "prompt: has 1200 tokens, expected fewer than 1200 (the context)");
  EXPECT_EQ(error([](Request& r) { r.prompt[1] = 512; }), "prompt: token 512: the vocabulary has 512");
  EXPECT_EQ(error([](Request& r) { r.max_tokens = -1; }), "max_tokens: expected 0 or more, found -1");
  EXPECT_THAT(error([](Request& r) { r.sampling.top_p = 2; }), HasSubstr("top_p"));
  EXPECT_THAT(error([](Request& r) { r.stop = {""}; }), HasSubstr("stop"));
  EXPECT_THAT(error([](Request& r) { r.stop = {"\xff"}; }), HasSubstr("stop"));
  EXPECT_THAT(error([](Request& r) { r.media = {{2, 2, false, Tensor::host(DType::f32, {2, 4}), 0}}; }),
              HasSubstr("media: rows 2 to 4"));
  EXPECT_THAT(error([](Request& r) { r.media = {{0, 2, false, Tensor::host(DType::f32, {2, 4}), 0}}; }),
              HasSubstr("media: expected an embedding of [2, 48], found [2, 4]"));
  EXPECT_EQ(run(engine_, request_of({5})).finish, Finish::length);  // and the engine goes on
}

TEST_F(Answers, EndByLengthContextAndStopId) {
  const Heard ten = run(engine_, request_of({5, 6, 7}));
  EXPECT_EQ(ten.finish, Finish::length);
  ASSERT_EQ(ten.tokens.size(), 10u);
  Request r = request_of(std::vector<int32_t>(1195, 9), 0);
  r.sampling.temperature = 1;
  const Heard full = run(engine_, std::move(r));
  EXPECT_EQ(full.finish, Finish::context);
  EXPECT_EQ(full.tokens.size(), 5u);

  auto changed = std::make_shared<Model>(*model_);
  changed->config.special.eos = {7, ten.tokens[3]};
  Engine engine(changed, nullptr, ops_with(1), small_options());
  const Heard stopped = run(engine, request_of({5, 6, 7}));
  EXPECT_EQ(stopped.finish, Finish::stop);
  EXPECT_EQ(stopped.tokens, std::vector<int32_t>(ten.tokens.begin(), ten.tokens.begin() + 4));
}

TEST_F(Answers, ALoopEndsUnlessItMayNot) {
  const auto looping = [&](bool loop_stop, std::unique_ptr<TokenMask> mask = nullptr) {
    Request r = request_of({5, 6, 7}, 300);
    r.sampling.bias[77] = 1000;
    r.loop_stop = loop_stop;
    r.mask = std::move(mask);
    return run(engine_, std::move(r));
  };
  const Heard heard = looping(true);
  EXPECT_EQ(heard.finish, Finish::loop);
  EXPECT_EQ(heard.tokens, std::vector<int32_t>(256, 77));
  EXPECT_EQ(looping(false).finish, Finish::length);
}

TEST_F(Answers, AMaskDecides) {
  Request r = request_of({5, 6}, 600);
  r.mask = std::make_unique<Script>(std::vector<int32_t>{400, 31, 32, 400});
  Heard heard = run(engine_, std::move(r));
  EXPECT_EQ(heard.finish, Finish::stop);
  EXPECT_THAT(heard.tokens, ElementsAre(400, 31, 32, 400));

  r = request_of({5, 6}, 600);
  r.mask = std::make_unique<Script>(std::vector<int32_t>(500, 77));  // a loop, but asked for
  EXPECT_EQ(run(engine_, std::move(r)).tokens.size(), 500u);

  r = request_of({5, 6}, 600);
  r.mask = std::make_unique<Script>(std::vector<int32_t>{3, -1, 3});
  heard = run(engine_, std::move(r));
  EXPECT_EQ(heard.finish, Finish::error);
  EXPECT_EQ(heard.error, "no token may come at position 3: the mask allows none");
}

TEST_F(Answers, LogProbabilitiesOfThePromptAndTheAnswer) {
  const std::vector<int32_t> prompt{5, 60, 7, 80, 9, 10, 400, 3};
  Request r = request_of(prompt, 3);
  r.prompt_logprobs = true;
  r.top_logprobs = 2;
  const Heard heard = run(engine_, std::move(r));
  ASSERT_EQ(heard.events.size(), 3u);
  ASSERT_EQ(heard.events[0].prompt_logprobs.size(), prompt.size() - 1);
  for (const Event& e : heard.events) {
    ASSERT_EQ(e.top.size(), 2u);
    EXPECT_GE(e.top[0].logprob, e.top[1].logprob);
    EXPECT_GE(e.top[0].logprob, e.logprob);
  }
  // The answer as a prompt has the same log-probabilities.
  std::vector<int32_t> longer = prompt;
  longer.insert(longer.end(), heard.tokens.begin(), heard.tokens.end());
  r = request_of(longer, 1);
  r.prompt_logprobs = true;
  r.top_logprobs = 2;
  const std::vector<Likelihood> all = run(engine_, std::move(r)).events[0].prompt_logprobs;
  ASSERT_EQ(all.size(), longer.size() - 1);
  for (size_t i = 0; i + 1 < prompt.size(); ++i) EXPECT_EQ(all[i], heard.events[0].prompt_logprobs[i]);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(all[prompt.size() - 1 + i], (Likelihood{heard.events[i].logprob, heard.events[i].top}));
  }
}

TEST_F(Answers, LogProbabilitiesComeWhenAskedFor) {
  const auto logprobs = [&](bool asked, int top) {
    Request r = request_of({5, 60, 7}, 3);
    r.logprobs = asked;
    r.top_logprobs = top;
    std::vector<float> said;
    for (const Event& e : run(engine_, std::move(r)).events) said.push_back(e.logprob);
    return said;
  };
  EXPECT_THAT(logprobs(false, 0), Each(0.0f));
  EXPECT_THAT(logprobs(true, 0), Each(Lt(0.0f)));
  EXPECT_EQ(logprobs(true, 0), logprobs(false, 2));
}

TEST_F(Answers, PrefixesAreReused) {
  std::vector<int32_t> prompt;
  for (int i = 0; i < 40; ++i) prompt.push_back(3 + i * 7 % 400);
  const Heard first = run(engine_, request_of(prompt));
  EXPECT_EQ(engine_.stats().reused_tokens, 0);
  const Heard again = run(engine_, request_of(prompt));
  EXPECT_EQ(engine_.stats().reused_tokens, 39);
  EXPECT_EQ(again.tokens, first.tokens);
  std::vector<int32_t> turn = prompt;  // the next turn: all that was, and more
  turn.insert(turn.end(), first.tokens.begin(), first.tokens.end());
  turn.push_back(8);
  run(engine_, request_of(turn));
  EXPECT_EQ(engine_.stats().reused_tokens, 39 + 49);  // the answer's last token was never fed
  Request other = request_of(turn);
  other.salt = 5;
  run(engine_, std::move(other));
  EXPECT_EQ(engine_.stats().reused_tokens, 39 + 49);
}

TEST_F(Answers, PenaltiesCountThePromptAndTheAnswer) {
  Request r = request_of({5, 78, 6}, 5);
  r.sampling.bias = {{77, 3000.0f}, {78, 2900.0f}};
  r.sampling.frequency_penalty = 200;
  EXPECT_THAT(run(engine_, std::move(r)).tokens, ElementsAre(77, 77, 78, 77, 78));
}

TEST_F(Answers, BadLogitsAreAnError) {
  auto broken = std::make_shared<Model>(*model_);
  broken->weights.norm = Tensor::from(std::vector<float>(48, std::numeric_limits<float>::quiet_NaN()), Shape{48});
  Engine engine(broken, nullptr, ops_with(1), small_options());
  const Heard heard = run(engine, request_of({5, 6}));
  EXPECT_EQ(heard.finish, Finish::error);
  EXPECT_EQ(heard.error, "the logits at position 2 are not finite numbers");
}

TEST_F(Answers, CancelAndQueueLimit) {
  EngineOptions options = small_options();
  options.queue_limit = 2;
  options.max_sequences = 1;
  Engine engine(model_, nullptr, ops_with(1), options);
  Heard a, b, c;
  const Ticket first = engine.submit(request_of({5}, 100), a.listener());
  engine.submit(request_of({5}), b.listener());
  const Ticket third = engine.submit(request_of({5}), c.listener());
  EXPECT_EQ(engine.submit(request_of({5}), {}), 0);
  EXPECT_TRUE(engine.step());
  EXPECT_EQ(engine.submit(request_of({5}), {}), 0);
  engine.cancel(third);  // waits still
  EXPECT_TRUE(engine.step());
  EXPECT_EQ(c.finish, Finish::cancelled);
  EXPECT_NE(engine.submit(request_of({5}, 1), {}), 0);
  engine.cancel(first);  // runs
  engine.cancel(9999);
  while (engine.step()) {
  }
  EXPECT_EQ(a.finish, Finish::cancelled);
  EXPECT_EQ(a.tokens.size(), 2u);
  EXPECT_EQ(b.finish, Finish::length);
}

TEST_F(Answers, OtherThreadsSubmitWhileItRuns) {
  std::atomic<int> finished{0};
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    while (!stop) {
      if (!engine_.step()) engine_.wait();
    }
  });
  std::vector<std::thread> clients;
  for (int t = 0; t < 3; ++t) {
    clients.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const Ticket ticket =
            engine_.submit(request_of({5, 6 + t, 7 + i}, 5), [&](const Event& e) { finished += e.finish.has_value(); });
        if (i % 4 == 3) engine_.cancel(ticket);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  while (finished < 30) std::this_thread::yield();
  stop = true;
  engine_.wake();
  worker.join();
}

TEST_F(Answers, ACallbackMaySubmit) {
  Heard second;
  Heard first;
  engine_.submit(request_of({5, 6}, 2), [&](const Event& e) {
    first.listener()(e);
    if (e.finish) engine_.submit(request_of({7}, 2), second.listener());
  });
  while (engine_.step()) {
  }
  EXPECT_EQ(second.tokens.size(), 2u);
}

TEST_F(Answers, StopStringsAndControlPieces) {
  const auto tokenizer = [] {
    std::vector<std::pair<std::string, Tiny>> pieces;
    for (int i = 0; i < 256; ++i) pieces.emplace_back(fmt::format("[{}]", i), Tiny::normal);
    pieces[7] = {"<turn|>", Tiny::control};
    return tiny_tokenizer(pieces);
  }();
  Engine engine(model_, tokenizer, ops_with(1), small_options());
  const auto scripted = [&](std::vector<std::string> stop) {
    Request r = request_of({5, 6}, 6);
    r.stop = std::move(stop);
    r.mask = std::make_unique<Script>(std::vector<int32_t>{10, 11, 7, 12, 13, 14, 15});
    return run(engine, std::move(r));
  };
  Heard heard = scripted({});
  EXPECT_EQ(heard.text, "[10][11][12][13][14]");
  EXPECT_EQ(heard.finish, Finish::length);
  heard = scripted({"2][1"});
  EXPECT_EQ(heard.text, "[10][11][1");
  EXPECT_EQ(heard.finish, Finish::stop);
  EXPECT_EQ(heard.events.back().stop, "2][1");
  EXPECT_THAT(heard.tokens, ElementsAre(10, 11, 7, 12, 13));
  heard = scripted({"1[1", "][1", "]["});
  EXPECT_EQ(heard.text, "[10");
  EXPECT_EQ(heard.events.back().stop, "][1");  // of those that begin there the one listed first
  heard = scripted({"14][15]"});               // what was held back comes at the end
  EXPECT_EQ(heard.text, "[10][11][12][13][14]");
  EXPECT_EQ(heard.events.back().text, "[14]");
  EXPECT_EQ(heard.finish, Finish::length);
  EXPECT_EQ(heard.events.back().stop, "");
  heard = scripted({"<turn|>"});  // the name of a control piece means the token
  EXPECT_EQ(heard.finish, Finish::stop);
  EXPECT_THAT(heard.tokens, ElementsAre(10, 11, 7));
  EXPECT_EQ(heard.events.back().stop, "<turn|>");
}

TEST_F(Answers, NeverSampledIdsDoNotCome) {
  const std::vector<int32_t>& suppressed = model_->config.special.suppress;
  ASSERT_FALSE(suppressed.empty());
  Request r = request_of({5, 6}, 30);
  for (int32_t id : suppressed) r.sampling.bias[id] = 1000;
  r.top_logprobs = 1;
  for (int32_t token : run(engine_, std::move(r)).tokens) EXPECT_THAT(suppressed, Each(testing::Ne(token)));
}

}  // namespace
}  // namespace gemma::testing_engine
