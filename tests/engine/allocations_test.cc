// SPDX-License-Identifier: Apache-2.0
// A step of an answer asks the heap for nothing, but now and then for longer lists of pages (docs/memory.md).
#include <gtest/gtest.h>

#include "counted_heap.h"
#include "engine/engine.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

constexpr int kWarm = 40, kSteps = 50;  // tokens, steps
constexpr int64_t kMost = 15;           // in all of them: pages, of which lists double, and pools, which grow by half
// Also lists and buffers that grow to the longest guess so far, on each thread; they were six for each step.
constexpr int64_t kMostWithGuesses = 100;

class Allocations : public testing::TestWithParam<const char*> {};

int64_t allocations_of(const std::shared_ptr<const Model>& model, const Sampling& sampling, EngineOptions options,
                       int sequences = 1) {
  options.context = 200;
  Engine engine(model, nullptr, ops_with(2), options);
  int tokens = 0;
  for (int i = 0; i < sequences; ++i) {
    Request request;
    request.prompt = {2, 17, 33, 40 + i};
    request.max_tokens = 150;
    request.sampling = sampling;
    request.loop_stop = false;
    EXPECT_NE(engine.submit(std::move(request), [&](const Event& e) { tokens += e.token >= 0; }), 0);
  }
  while (tokens < kWarm * sequences && engine.step()) {
  }  // buffers and lists have their sizes
  const int64_t before = heap_allocations();
  int steps = 0;
  while (steps < kSteps && engine.step()) ++steps;
  EXPECT_GE(steps, 15) << "an answer of " << tokens << " tokens";
  return heap_allocations() - before;
}

TEST_P(Allocations, OfAStepAreNone) {
  const std::shared_ptr<const Model> model = tiny_model(GetParam());
  Sampling greedy, few, nucleus;
  greedy.temperature = 0;
  few.temperature = nucleus.temperature = 1;
  few.top_k = 20;
  few.top_p = nucleus.top_p = 0.9f;
  nucleus.top_k = 0;
  EngineOptions plain;
  plain.speculation.length = 0;
  EXPECT_LE(allocations_of(model, greedy, plain), kMost);
  EXPECT_LE(allocations_of(model, few, plain), kMost);
  EXPECT_LE(allocations_of(model, nucleus, plain), kMost);
  EXPECT_LE(allocations_of(model, few, plain, 3), 3 * kMost);
}

TEST_P(Allocations, OfAStepWithCodedKeysAndValuesAreNone) {
  EngineOptions options;
  options.speculation.length = 0;
  for (const KvType type : {KvType::kv8, KvType::tq4, KvType::tq3}) {
    options.kv.types = {{type, type}, {type, type}};
    EXPECT_LE(allocations_of(tiny_model(GetParam()), {}, options), kMost);
  }
}

TEST_P(Allocations, OfAStepWithGuessesAreFew) {
  Sampling greedy;
  greedy.temperature = 0;
  EngineOptions options;
  options.speculation.length = 4;  // the same whatever the clock says
  for (const Sampling& sampling : {Sampling(), greedy}) {
    EXPECT_LE(allocations_of(tiny_model(GetParam()), sampling, options), kMostWithGuesses);
    EXPECT_LE(allocations_of(tiny_model(GetParam()), sampling, options, 3), 3 * kMostWithGuesses);
  }
}

INSTANTIATE_TEST_SUITE_P(Engine, Allocations, testing::Values("e_text", "dense_text", "moe_text", "gemma3_text"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace gemma::testing_engine
