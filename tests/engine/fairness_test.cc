// SPDX-License-Identifier: Apache-2.0
// Requests of several keys share the machine evenly, however many each of them sends. Counted in steps and rows, of
// which time is made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "engine/engine.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

using testing::ElementsAre;

class Fairness : public testing::Test {
 protected:
  Fairness() {
    options_.context = 2000;
    options_.max_sequences = 4;
    options_.batch_tokens = 64;
    options_.kv.page_size = 16;
    options_.speculation.length = 0;
  }

  Request request(int tokens, uint64_t key, int max_tokens = 40) {
    Request r;
    r.prompt = random_tokens(dice_, tokens);
    r.key = key;
    r.max_tokens = max_tokens;
    r.loop_stop = false;
    return r;
  }

  struct Cost {
    int steps = 0;
    int64_t prompt_rows = 0, preemptions = 0;
  };

  /** What happens from the time when a request is sent until its first token is there. */
  static Cost until_first_token(Engine& engine, Request request) {
    const EngineStats before = engine.stats();
    bool answered = false;
    engine.submit(std::move(request), [&](const Event&) { answered = true; });
    while (!answered) EXPECT_TRUE(engine.step());
    return {static_cast<int>(engine.stats().steps - before.steps), engine.stats().prompt_tokens - before.prompt_tokens,
            engine.stats().preemptions - before.preemptions};
  }

  Dice dice_{3};
  EngineOptions options_;
  std::shared_ptr<const Model> model_ = tiny_model("e_text");
};

TEST_F(Fairness, AKeyThatSendsManyDelaysAnotherByItsOwnTimeAtMost) {
  for (const int tokens : {5, 60, 150, 700}) {
    SCOPED_TRACE(tokens);
    const Request once = request(tokens, 1);
    const auto same = [&] {
      Request r;
      r.prompt = once.prompt;
      r.key = 1;
      r.max_tokens = 3;
      return r;
    };
    Engine alone(model_, nullptr, ops_with(1), options_);
    const Cost least = until_first_token(alone, same());
    EXPECT_EQ(least.prompt_rows, tokens);
    for (const int warm_up : {0, 3, 20, 60}) {  // the others are read, or answered, or both
      Engine engine(model_, nullptr, ops_with(1), options_);
      for (int i = 0; i < 32; ++i) engine.submit(request(100 + 10 * i, 0), {});
      for (int i = 0; i < warm_up; ++i) engine.step();
      const Cost cost = until_first_token(engine, same());
      // The machine's time is a step that may have just begun, these rows, and those of answers beside them.
      EXPECT_LE(cost.steps, least.steps + least.steps * 3 / 4) << warm_up;
      EXPECT_LE(cost.prompt_rows, tokens + 2 * tokens / 3 + 16) << warm_up;  // rows so few cost next to nothing
    }
  }
}

TEST_F(Fairness, KeysRunAsManyAsOneAnother) {
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::deque<int> tokens(3);
  const auto send = [&](uint64_t key, int n) {
    for (int i = 0; i < n; ++i) {
      engine.submit(request(10, key, 60), [&tokens, key](const Event& e) { tokens[key] += e.token >= 0; });
    }
  };
  send(0, 20);
  for (int i = 0; i < 5; ++i) engine.step();
  send(1, 10);
  send(2, 10);
  for (int i = 0; i < 200; ++i) engine.step();
  // Four places for three keys: who has the fourth changes as answers end.
  const auto [least, most] = std::minmax_element(tokens.begin(), tokens.end());
  EXPECT_GT(*least, 150);
  EXPECT_LT(*most, 2 * *least + 60);
}

TEST_F(Fairness, MoreKeysThanPlacesTakeTurns) {
  options_.max_sequences = 2;
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::vector<int> order;
  for (int key = 0; key < 4; ++key) {
    for (int i = 0; i < 3; ++i) {
      engine.submit(request(10, static_cast<uint64_t>(key), 5), [&order, key](const Event& e) {
        if (e.finish) order.push_back(key);
      });
    }
  }
  while (engine.step()) {
  }
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3));
}

/** Pages run out: who has most gives some back, not who came last. */
TEST_F(Fairness, WhoHasMostMakesRoom) {
  options_.max_sequences = 8;
  options_.kv.byte_limit = KvCache::bytes_for(model_->config, options_.kv, 800, 64);
  options_.context = 700;
  Engine engine(model_, nullptr, ops_with(1), options_);
  int many = 0;
  for (int i = 0; i < 8; ++i) {
    engine.submit(request(150, 0, 400), [&](const Event& e) {
      EXPECT_EQ(e.error, "");
      many += e.finish.has_value();
    });
  }
  for (int i = 0; i < 30; ++i) engine.step();
  const Cost cost = until_first_token(engine, request(250, 1, 300));
  EXPECT_LE(cost.steps, 8);
  EXPECT_EQ(many, 0);
  bool done = false;
  engine.submit(request(20, 1, 5), [&](const Event& e) { done = e.finish.has_value(); });
  while (!done) ASSERT_TRUE(engine.step());
  while (engine.step()) {
  }
  EXPECT_EQ(many, 8);
}

TEST_F(Fairness, TheQueueIsBoundedForEachKeyAndForAll) {
  options_.queue_limit = 4;
  options_.key_queue_limit = 2;
  options_.max_sequences = 1;
  Engine engine(model_, nullptr, ops_with(1), options_);
  int finished = 0;
  const auto send = [&](uint64_t key) {
    return engine.submit(request(5, key, 2), [&](const Event& e) { finished += e.finish.has_value(); });
  };
  EXPECT_NE(send(0), 0);  // which begins at once
  EXPECT_NE(send(0), 0);
  const Ticket third = send(0);
  EXPECT_NE(third, 0);
  EXPECT_EQ(send(0), 0);
  EXPECT_NE(send(1), 0);
  EXPECT_NE(send(1), 0);
  EXPECT_EQ(send(2), 0);
  engine.cancel(third);
  EXPECT_TRUE(engine.step());  // one runs, one is gone
  EXPECT_NE(send(0), 0);
  EXPECT_EQ(send(0), 0);
  EXPECT_EQ(send(2), 0);
  while (engine.step()) {
  }
  EXPECT_EQ(finished, 6);
  for (int i = 0; i < 3; ++i) EXPECT_NE(send(0), 0);
  EXPECT_EQ(send(0), 0);
}

TEST_F(Fairness, WhoBeginsAtOnceDoesNotWait) {
  options_.queue_limit = 1;
  Engine engine(model_, nullptr, ops_with(1), options_);
  int finished = 0;
  const auto send = [&](int tokens) {
    return engine.submit(request(5, 0, tokens), [&](const Event& e) { finished += e.finish.has_value(); });
  };
  const auto fill = [&] {
    for (int i = 0; i < 5; ++i) EXPECT_NE(send(i == 0 ? 2 : 40), 0) << i;
    EXPECT_EQ(send(1), 0);
  };
  fill();
  EXPECT_TRUE(engine.step());
  EXPECT_EQ(send(1), 0);  // four run, one waits
  while (finished == 0) ASSERT_TRUE(engine.step());
  engine.step();
  EXPECT_NE(send(1), 0);  // it runs by now
  EXPECT_EQ(send(1), 0);
  while (engine.step()) {
  }
  EXPECT_EQ(finished, 6);
  fill();
}

/** Who gives its place back waits, however many do. */
TEST_F(Fairness, WhoMakesWayLeavesAPlace) {
  options_.queue_limit = 1;
  options_.max_sequences = 2;
  Engine engine(model_, nullptr, ops_with(1), options_);
  int finished = 0;
  const auto send = [&](uint64_t key) {
    return engine.submit(request(5, key), [&](const Event& e) { finished += e.finish.has_value(); });
  };
  for (int i = 0; i < 3; ++i) EXPECT_NE(send(0), 0);
  engine.step();
  EXPECT_EQ(send(1), 0);
  for (int i = 0; i < 3; ++i) engine.step();
  EXPECT_EQ(engine.stats().preemptions, 0);
  while (engine.step()) {
  }
  EXPECT_EQ(finished, 3);
  for (int i = 0; i < 2; ++i) EXPECT_NE(send(0), 0);
  engine.step();
  EXPECT_NE(send(1), 0);
  engine.step();
  EXPECT_EQ(engine.stats().preemptions, 1);  // of key 0, which waits now
  EXPECT_EQ(send(2), 0);
  while (engine.step()) {
  }
  EXPECT_EQ(finished, 6);
  for (int i = 0; i < 3; ++i) EXPECT_NE(send(0), 0);
  EXPECT_EQ(send(0), 0);
}

TEST_F(Fairness, WhoWaitsTooLongIsToldSo) {
  options_.max_sequences = 1;
  Engine engine(model_, nullptr, ops_with(1), options_);
  std::optional<Finish> running, waiting;
  Request first = request(5, 0, 20), second = request(5, 0, 20);
  first.deadline = second.deadline = Clock::now() + std::chrono::hours(1);
  engine.submit(std::move(first), [&](const Event& e) { running = e.finish; });
  engine.step();
  engine.submit(std::move(second), [&](const Event& e) { waiting = e.finish; });
  engine.step();
  EXPECT_FALSE(waiting);
  Request third = request(5, 0, 20);
  third.deadline = Clock::now() - std::chrono::milliseconds(1);
  std::optional<Finish> late;
  engine.submit(std::move(third), [&](const Event& e) { late = e.finish; });
  engine.step();
  EXPECT_EQ(late, Finish::late);
  EXPECT_EQ(name_of(*late), "late");
  while (engine.step()) {
  }
  EXPECT_EQ(running, Finish::length);
  EXPECT_EQ(waiting, Finish::length);
}

}  // namespace
}  // namespace gemma::testing_engine
