// SPDX-License-Identifier: Apache-2.0
// With guesses and without, every event of every request is the same, to the bit: however many guesses, from wherever,
// right or wrong, whatever ends the answer, in every type of cache, alone and among others.
#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "engine/engine.h"
#include "engine/thought_budget.h"
#include "engine/tiny_tokenizer.h"
#include "file/model_file.h"
#include "script_mask.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

constexpr int kContext = 160;
constexpr std::array kCacheTypes{"f32", "bf16", "kv8", "tq4/kv8,tq4", "tq3/tq4,tq2"};
constexpr int32_t kOpen = 40, kClose = 41;  // of thoughts

/** All that came back, event by event. */
struct Answer {
  std::vector<Event> events;
  int64_t drafted = 0, accepted = 0;

  void add(const Event& e) {
    if (!events.empty()) {
      EXPECT_FALSE(events.back().finish) << "an event after the last one";
    }
    drafted += e.drafted;
    accepted += e.accepted;
    events.push_back(e);
  }
  std::vector<int32_t> tokens() const {
    std::vector<int32_t> ids;
    for (const Event& e : events)
      if (e.token >= 0) ids.push_back(e.token);
    return ids;
  }
  std::optional<Finish> finish() const { return events.empty() ? std::nullopt : events.back().finish; }
};

void expect_same(const Answer& found, const Answer& expected) {
  EXPECT_EQ(found.tokens(), expected.tokens());
  ASSERT_EQ(found.events.size(), expected.events.size());
  for (size_t i = 0; i < found.events.size(); ++i) {
    const Event &a = found.events[i], &b = expected.events[i];
    EXPECT_EQ(a.text, b.text) << i;
    EXPECT_EQ(a.logprob, b.logprob) << i;
    EXPECT_TRUE(std::ranges::equal(a.top, b.top, [](const Alternative& x, const Alternative& y) {
      return x.token == y.token && x.logprob == y.logprob;
    })) << i;
    EXPECT_EQ(a.finish, b.finish) << i;
    EXPECT_EQ(a.prompt_logprobs, b.prompt_logprobs) << i;
    EXPECT_EQ(a.error, b.error) << i;
  }
}

/** A request that can be made again. Its text has few tokens, so that much of it has been there before. */
struct Plan {
  std::vector<int32_t> prompt;
  std::vector<MediaRows> media;
  Sampling sampling;
  std::vector<std::string> stop;
  int max_tokens = 0, top_logprobs = 0, thought_budget = 0;
  bool prompt_logprobs = false, loop_stop = true;

  Request request() const {
    Request r;
    r.prompt = prompt;
    r.media = media;
    r.sampling = sampling;
    r.stop = stop;
    r.max_tokens = max_tokens;
    r.logprobs = true;
    r.top_logprobs = top_logprobs;
    r.prompt_logprobs = prompt_logprobs;
    r.loop_stop = loop_stop;
    if (thought_budget > 0) r.mask = std::make_unique<ThoughtBudget>(thought_budget, kOpen, kClose);
    return r;
  }
};

Plan random_plan(Dice& dice, const Config& config, bool media) {
  Plan p;
  const int ids = dice.between(2, 8);
  const int size = dice.between(1, 120);
  for (int i = 0; i < size; ++i) p.prompt.push_back(kOpen + dice.below(ids));
  if (media) p.media = random_media(dice, size, config.dim);
  for (int i = 0; i < ids; ++i) p.sampling.bias[kOpen + i] = static_cast<float>(1000 + dice.below(3));
  p.sampling.temperature = dice.one_in(3) ? 0.0f : 0.3f + static_cast<float>(dice.below(20)) / 10;
  p.sampling.top_k = dice.one_in(3) ? 0 : dice.between(1, 64);
  p.sampling.top_p = dice.one_in(2) ? 1.0f : 0.9f;
  p.sampling.min_p = dice.one_in(3) ? 0.05f : 0.0f;
  p.sampling.repetition_penalty = dice.one_in(4) ? 1.0002f : 1.0f;
  p.sampling.frequency_penalty = dice.one_in(4) ? 0.3f : 0.0f;
  p.sampling.presence_penalty = dice.one_in(4) ? 0.5f : 0.0f;
  p.sampling.seed = static_cast<uint64_t>(dice.below(1000));
  if (dice.one_in(3)) {  // across three tokens: "1][40][4"
    p.stop = {fmt::format("{}][4{}][4", dice.below(ids), dice.below(ids)), "0][44][45"};
  }
  if (dice.one_in(4)) p.stop.push_back("<end>");
  p.max_tokens = dice.one_in(2) ? 0 : dice.between(1, 60);
  p.top_logprobs = dice.one_in(3) ? 3 : 0;
  p.thought_budget = dice.one_in(5) ? dice.between(1, 10) : 0;
  p.prompt_logprobs = dice.one_in(5);
  p.loop_stop = !dice.one_in(3);
  return p;
}

std::shared_ptr<const Tokenizer> tokenizer() {
  static const auto tokenizer = [] {
    std::vector<std::pair<std::string, Tiny>> pieces;
    for (int i = 0; i < 256; ++i) pieces.emplace_back(fmt::format("[{}]", i), Tiny::normal);
    pieces[46] = {"<end>", Tiny::control};
    return tiny_tokenizer(pieces);
  }();
  return tokenizer;
}

std::string drafter_folder(const std::string& model) {
  const std::string prefix = model == "e_text" ? "assistant" : model == "unified_text" ? "unified_assistant" : "";
  return prefix.empty() ? "" : std::string(GEMMA4_GOLDEN) + "/" + prefix + "/";
}

std::shared_ptr<const Drafter> drafter_for(const std::string& model, const std::string& name) {
  static std::map<std::string, std::shared_ptr<const Drafter>> drafters;
  auto& drafter = drafters[model + name];
  if (!drafter) {
    drafter = Drafter::load(drafter_folder(model) + name, tiny_model(model)->config, ops_with(1), {.widen = true});
  }
  return drafter;
}

/** Proposes token 0 whatever comes: its states are zeros, and so are its logits. */
std::shared_ptr<const Drafter> obstinate(const std::string& model) {
  auto drafter = std::make_shared<Drafter>(*drafter_for(model, "draft_plain"));
  const auto width = static_cast<size_t>(drafter->config.stack.dim);
  drafter->weights.norm = Tensor::from(std::vector<float>(width, 0.0f), Shape{drafter->config.stack.dim});
  return drafter;
}

Answer alone(const std::shared_ptr<const Model>& model, const Plan& plan, EngineOptions options) {
  Engine engine(model, tokenizer(), ops_with(1), std::move(options));
  Answer answer;
  EXPECT_NE(engine.submit(plan.request(), [&](const Event& e) { answer.add(e); }), 0);
  while (engine.step()) {
  }
  EXPECT_TRUE(answer.finish());
  return answer;
}

EngineOptions plain_options(const std::string& types) {
  EngineOptions options;
  options.context = kContext;
  options.kv.types = *cache_types_named(types);
  options.kv.page_size = is_coded(options.kv.types.full.keys) ? kKvBlock : 16;
  options.kv.remembered = 0;
  options.speculation.length = 0;
  return options;
}

struct Case {
  std::string model;
  std::string cache;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::string& model : all_models())
    for (const char* types : kCacheTypes) cases.push_back({model, types});
  return cases;
}

std::string name_of(const Case& c) { return test_name(c.model + "_" + c.cache); }
void PrintTo(const Case& c, std::ostream* out) { *out << name_of(c); }

class Guesses : public testing::TestWithParam<Case> {
 protected:
  /** Requests together, with guesses, each against itself alone without. */
  void run(unsigned seed) {
    Dice dice(seed);
    const bool blocks = dice.one_in(3);
    const auto model = tiny_model(GetParam().model, blocks);
    EngineOptions options = plain_options(GetParam().cache);
    const bool tight = dice.one_in(2);
    options.max_sequences = tight ? 5 : dice.between(1, 4);
    options.batch_tokens = dice.one_in(2) ? dice.between(1, 24) : 512;
    if (!is_coded(options.kv.types.full.keys)) options.kv.page_size = 1 << dice.between(0, tight ? 3 : 5);
    options.kv.remembered = dice.below(4);
    options.speculation.length = dice.one_in(3) ? Speculation::kAuto : dice.between(1, Speculation::kMost);
    if (!drafter_folder(GetParam().model).empty() && !dice.one_in(3)) {
      options.speculation.drafter = drafter_for(GetParam().model, dice.one_in(2) ? "draft_plain" : "draft_ordered");
    }
    if (tight) {  // some have to give up their pages
      const int64_t one = KvCache::bytes_for(model->config, options.kv, kContext,
                                             std::max(options.batch_tokens, options.max_sequences) + 20);
      options.kv.byte_limit = one * dice.between(10, 12) / 10;
    }
    std::vector<Plan> plans;
    for (int i = 0; i < 5; ++i) plans.push_back(random_plan(dice, model->config, blocks && dice.one_in(2)));
    const int threads = dice.between(1, 2);
    if (threads > 1) options.threads = &threads_of(threads);
    Engine engine(model, tokenizer(), ops_with(threads), options);
    std::deque<Answer> answers(plans.size());
    for (size_t i = 0; i < plans.size(); ++i) {
      engine.submit(plans[i].request(), [&answer = answers[i]](const Event& e) { answer.add(e); });
      if (!tight && dice.one_in(2)) engine.step();
      if (dice.one_in(4)) {  // somebody who changes his mind while his guesses are checked
        const Ticket ticket = engine.submit(plans[i].request(), {});
        for (int steps = dice.below(5); steps > 0; --steps) engine.step();
        engine.cancel(ticket);
      }
    }
    while (engine.step()) {
    }
    EngineOptions plain = plain_options(GetParam().cache);
    plain.kv.page_size = options.kv.page_size;
    for (size_t i = 0; i < plans.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "request " << i);
      expect_same(answers[i], alone(model, plans[i], plain));
      ends_.insert(answers[i].finish().value_or(Finish::error));
    }
    drafted_ += engine.stats().drafted_tokens;
    accepted_ += engine.stats().accepted_tokens;
    preemptions_ += engine.stats().preemptions;
  }

  int64_t drafted_ = 0, accepted_ = 0, preemptions_ = 0;
  std::set<Finish> ends_;
};

TEST_P(Guesses, ChangeNothing) {
  for (unsigned seed = 1; seed <= rounds(5) && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    run(seed);
  }
  EXPECT_GT(accepted_, 100);  // or the test has not tried what it says
  EXPECT_GT(drafted_ - accepted_, 100);
  EXPECT_GT(preemptions_, 0);
  EXPECT_THAT(ends_, testing::UnorderedElementsAre(Finish::stop, Finish::length, Finish::context));
}

INSTANTIATE_TEST_SUITE_P(Tiny, Guesses, testing::ValuesIn(all_cases()),
                         [](const auto& each) { return name_of(each.param); });

std::vector<int32_t> ids_of(const std::string& path, const std::string& tensor) {
  const ModelFile file = ModelFile::open(path + "/vectors.safetensors");
  const TensorRecord* record = file.find(tensor);
  std::vector<int32_t> values(static_cast<size_t>(record->shape.count()));
  file.read(*record, std::as_writable_bytes(std::span(values)));
  return values;
}

TEST(Drafters, GuessWhatTheReferenceDrafts) {
  for (const std::string model : {"e_text", "unified_text"}) {
    for (const std::string name : {"draft_plain", "draft_ordered"}) {
      for (const std::string prompt : {"p_short", "p_window", "p_long"}) {
        SCOPED_TRACE(model + " " + name + " " + prompt);
        const auto drafts = ids_of(drafter_folder(model), name + "/" + prompt + "/draft_ids");
        std::vector<int32_t> script = ids_of(drafter_folder(model), name + "/" + prompt + "/seed_token");
        script.insert(script.end(), drafts.begin(), drafts.end());
        script.push_back(script.front());
        EngineOptions options = plain_options("f32");
        options.speculation = {static_cast<int>(drafts.size()), drafter_for(model, name)};
        auto free = std::make_shared<Model>(*tiny_model(model));
        free->config.special = {};  // the drafter may propose what the target never says
        Engine engine(free, nullptr, ops_with(2), options);
        Request request;
        request.prompt = ids_of(std::string(GEMMA4_GOLDEN) + "/" + model, prompt + "/input_ids");
        request.sampling.temperature = 0;
        request.mask = std::make_unique<Script>(script);
        Answer answer;
        engine.submit(std::move(request), [&](const Event& e) { answer.add(e); });
        while (engine.step()) {
        }
        EXPECT_EQ(answer.tokens(), script);
        EXPECT_EQ(answer.drafted, static_cast<int64_t>(drafts.size()));
        EXPECT_EQ(answer.accepted, static_cast<int64_t>(drafts.size()));  // all in one step
        EXPECT_EQ(engine.stats().steps, 2);
      }
    }
  }
}

TEST(Drafters, AlwaysRightSavesSteps) {
  auto model = std::make_shared<Model>(*tiny_model("e_text"));
  model->config.special.pad = -1;  // 0 may come
  Plan plan;
  plan.prompt = {5, 6, 7};
  plan.sampling.bias[0] = 1000;
  plan.max_tokens = 100;
  plan.loop_stop = false;
  EngineOptions options = plain_options("f32");
  const Answer expected = alone(model, plan, options);
  options.speculation = {4, obstinate("e_text")};
  const Answer found = alone(model, plan, options);
  expect_same(found, expected);
  EXPECT_EQ(found.accepted, found.drafted);
  EXPECT_GE(found.accepted, 75);
}

TEST(Drafters, AlwaysWrongIsSoonLetBe) {
  auto model = std::make_shared<Model>(*tiny_model("e_text"));  // which never says 0
  model->config.special.eos.clear();
  Dice dice(3);
  Plan plan;
  plan.prompt = random_tokens(dice, 10);
  plan.sampling.temperature = 2;
  plan.sampling.top_k = 0;
  EngineOptions options = plain_options("f32");
  options.context = 1000;
  const Answer expected = alone(model, plan, options);
  options.speculation.drafter = obstinate("e_text");
  options.speculation.length = 4;
  Answer found = alone(model, plan, options);
  expect_same(found, expected);
  EXPECT_EQ(found.accepted, 0);
  EXPECT_GT(found.drafted, 3000);  // as told to
  options.speculation.length = Speculation::kAuto;
  found = alone(model, plan, options);
  expect_same(found, expected);
  EXPECT_LT(found.drafted, 300);
}

TEST(Guessing, CancelledFromACallbackWhileGuessesAreRight) {
  const auto model = tiny_model("gemma3_text");
  EngineOptions options = plain_options("f32");
  options.speculation.length = 8;
  Engine engine(model, nullptr, ops_with(1), options);
  Plan plan;
  plan.prompt = {5, 6, 7};
  plan.sampling.bias[77] = 1000;
  Answer answer;
  Ticket ticket = 0;
  ticket = engine.submit(plan.request(), [&](const Event& e) {
    answer.add(e);
    if (answer.events.size() == 10) engine.cancel(ticket);
  });
  while (engine.step()) {
  }
  EXPECT_EQ(answer.finish(), Finish::cancelled);
  EXPECT_GE(answer.accepted, 5);
  EXPECT_LE(answer.tokens().size(), 19u);  // those of that step
  EXPECT_EQ(engine.cache().bytes_used(), 0);
}

TEST(Guessing, ALoopEndsWhereItWouldHave) {
  Plan plan;
  plan.prompt = {5, 6, 7};
  plan.sampling.bias[77] = 1000;
  EngineOptions options = plain_options("f32");
  options.context = 400;
  const Answer expected = alone(tiny_model("gemma3_text"), plan, options);
  options.speculation.length = 15;
  const Answer found = alone(tiny_model("gemma3_text"), plan, options);
  expect_same(found, expected);
  EXPECT_EQ(found.finish(), Finish::loop);
  EXPECT_EQ(found.tokens().size(), 256u);
  EXPECT_GT(found.accepted, 200);
}

TEST(Guessing, NothingIsGuessedWhenItIsOff) {
  Plan plan;
  plan.prompt = {5, 6, 7};
  plan.sampling.bias[77] = 1000;
  plan.max_tokens = 50;
  const Answer answer = alone(tiny_model("gemma3_text"), plan, plain_options("f32"));
  EXPECT_EQ(answer.drafted, 0);
  EXPECT_EQ(answer.tokens().size(), 50u);
}

}  // namespace
}  // namespace gemma::testing_engine
