// SPDX-License-Identifier: Apache-2.0
// What a request gets does not depend on the requests beside it, on how steps are cut, on threads, on pages it had to
// give up, or on prefixes that were found again.
#include <gtest/gtest.h>

#include <deque>

#include "engine/engine.h"
#include "script_mask.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

/** All that came back. */
struct Answer {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs, alternatives;
  std::vector<Likelihood> prompt_logprobs;
  std::optional<Finish> finish;
  bool operator==(const Answer&) const = default;

  void add(const Event& e) {
    EXPECT_FALSE(finish) << "an event after the last one";
    if (e.token >= 0) {
      tokens.push_back(e.token);
      logprobs.push_back(e.logprob);
    }
    for (const Alternative& a : e.top) alternatives.push_back(a.logprob + static_cast<float>(a.token));
    prompt_logprobs.insert(prompt_logprobs.end(), e.prompt_logprobs.begin(), e.prompt_logprobs.end());
    finish = e.finish;
    EXPECT_EQ(e.error, "");
  }
};

constexpr int kContext = 160;

/** A request that can be made again. */
struct Plan {
  std::vector<int32_t> prompt;
  std::vector<MediaRows> media;
  Sampling sampling;
  int max_tokens = 0, top_logprobs = 0;
  uint64_t key = 0;
  bool prompt_logprobs = false;
  uint32_t mask = 0;  // 0: none

  Request request() const {
    Request r;
    r.prompt = prompt;
    r.media = media;
    r.sampling = sampling;
    r.max_tokens = max_tokens;
    r.logprobs = true;
    r.top_logprobs = top_logprobs;
    r.key = key;
    r.prompt_logprobs = prompt_logprobs;
    if (mask != 0) r.mask = std::make_unique<Winding>(mask);
    return r;
  }
};

Plan random_plan(Dice& dice, const Config& config, bool media) {
  Plan p;
  p.prompt = random_tokens(dice, dice.between(1, 100));
  if (media) p.media = random_media(dice, static_cast<int>(p.prompt.size()), config.dim);
  p.sampling.temperature = dice.one_in(4) ? 0.0f : 0.5f + static_cast<float>(dice.below(10)) / 10;
  p.sampling.top_k = dice.one_in(3) ? 0 : 64;
  p.sampling.repetition_penalty = dice.one_in(3) ? 1.2f : 1.0f;
  p.sampling.seed = static_cast<uint64_t>(dice.below(1000));
  p.max_tokens = dice.between(1, 50);
  p.top_logprobs = dice.one_in(3) ? 3 : 0;
  p.key = dice.one_in(2) ? 0 : static_cast<uint64_t>(dice.below(4));
  p.prompt_logprobs = dice.one_in(4);
  p.mask = dice.one_in(3) ? static_cast<uint32_t>(dice.between(1, 1000)) : 0;
  return p;
}

Answer alone(const std::shared_ptr<const Model>& model, const Plan& plan, const KvOptions& kv) {
  EngineOptions options;
  options.context = kContext;
  options.kv = kv;
  options.kv.remembered = 0;
  options.kv.byte_limit = 0;
  options.speculation.length = 0;
  Engine engine(model, nullptr, ops_with(1), options);
  Answer answer;
  EXPECT_NE(engine.submit(plan.request(), [&](const Event& e) { answer.add(e); }), 0);
  while (engine.step()) {
  }
  EXPECT_TRUE(answer.finish);
  return answer;
}

struct Counts {
  int64_t preemptions = 0, reused = 0;
};

Counts run_together(const std::string& name, unsigned seed) {
  Dice dice(seed);
  const bool blocks = dice.one_in(2);
  const auto model = tiny_model(name, blocks);
  EngineOptions options;
  options.context = kContext;
  options.max_sequences = dice.between(1, 8);
  options.batch_tokens = dice.one_in(2) ? dice.between(1, 20) : 512;
  choose_cache(dice, options.kv);
  // Often room for little more than one sequence: most have to give up their pages now and then.
  const int64_t one = KvCache::bytes_for(model->config, options.kv, kContext,
                                         std::max(options.batch_tokens, options.max_sequences) + 20);
  const auto some = [&] { return one * dice.between(10, 25) / 10; };
  int64_t limit = options.kv.byte_limit = some();

  std::vector<Plan> plans;
  for (int i = 0; i < 8; ++i) plans.push_back(random_plan(dice, model->config, blocks && dice.one_in(2)));
  for (int i = 0; i < 3; ++i) {  // and some that go on from others' prompts
    Plan p = plans[static_cast<size_t>(dice.below(8))];
    if (dice.one_in(2)) {  // the same ids, but other pictures
      for (MediaRows& m : p.media) {
        m.embedding = Tensor::host(DType::f32, Shape{m.rows, model->config.dim});
        for (float& value : m.embedding.data_mutable<float>()) value = static_cast<float>(dice.below(9)) - 4;
        ++m.content;
      }
    }
    const std::vector<int32_t> more = random_tokens(dice, dice.between(1, 20));
    p.prompt.insert(p.prompt.end(), more.begin(), more.end());
    plans.push_back(std::move(p));
  }

  const int threads = dice.between(1, kMostThreads);
  if (threads > 1) options.threads = &threads_of(threads);
  Engine engine(model, nullptr, ops_with(threads), options);
  std::deque<Answer> answers(plans.size());
  std::vector<Ticket> cancelled;
  for (size_t next = 0, steps = 0; next < plans.size() || engine.step(); ++steps) {
    EXPECT_LE(engine.cache().bytes_used(), limit);
    EXPECT_LE(engine.cache().bytes_allocated(), limit);
    if (dice.one_in(10)) engine.limit_cache(limit = some());  // as other models come and go
    if (next == plans.size() || !dice.one_in(3)) continue;
    if (dice.one_in(4)) {  // somebody who changes his mind
      cancelled.push_back(engine.submit(random_plan(dice, model->config, false).request(), {}));
    }
    if (!cancelled.empty() && dice.one_in(3)) engine.cancel(cancelled.back());
    engine.submit(plans[next].request(), [&answer = answers[next]](const Event& e) { answer.add(e); });
    ++next;
    engine.step();
  }
  for (size_t i = 0; i < plans.size(); ++i) {
    EXPECT_EQ(answers[i], alone(model, plans[i], options.kv)) << "request " << i;
  }
  return {engine.stats().preemptions, engine.stats().reused_tokens};
}

class Requests : public testing::TestWithParam<std::string> {};

TEST_P(Requests, AnswersDoNotDependOnNeighbours) {
  Counts counts;
  for (unsigned seed = 1; seed <= rounds(6) && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Counts c = run_together(GetParam(), seed);
    counts.preemptions += c.preemptions;
    counts.reused += c.reused;
  }
  EXPECT_GT(counts.preemptions, 0);  // or the test has not tried what it says
  EXPECT_GT(counts.reused, 0);
}

INSTANTIATE_TEST_SUITE_P(Tiny, Requests, testing::ValuesIn(all_models()),
                         [](const auto& each) { return test_name(each.param); });

}  // namespace
}  // namespace gemma::testing_engine
