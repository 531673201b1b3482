// SPDX-License-Identifier: Apache-2.0
// A step of an answer asks the heap for nothing, but now and then for longer lists of pages (docs/memory.md).
#include <gtest/gtest.h>

#include "counted_heap.h"
#include "engine/engine.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

constexpr int kSteps = 50;
constexpr int64_t kMost = 10;  // in all of them: pages, of which lists double, and pools, which grow by half

class Allocations : public testing::TestWithParam<const char*> {};

int64_t allocations_of(const std::shared_ptr<const Model>& model, const Sampling& sampling) {
  EngineOptions options;
  options.context = 200;
  options.speculation.length = 0;
  Engine engine(model, nullptr, ops_with(2), options);
  int tokens = 0;
  Request request;
  request.prompt = {2, 17, 33, 40};
  request.max_tokens = 150;
  request.sampling = sampling;
  request.loop_stop = false;
  EXPECT_NE(engine.submit(std::move(request), [&](const Event& e) { tokens += e.token >= 0; }), 0);
  while (tokens < 40) EXPECT_TRUE(engine.step());  // buffers and lists have their sizes
  const int64_t before = heap_allocations();
  for (const int start = tokens; tokens < start + kSteps;) EXPECT_TRUE(engine.step());
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
  EXPECT_LE(allocations_of(model, greedy), kMost);
  EXPECT_LE(allocations_of(model, few), kMost);
  EXPECT_LE(allocations_of(model, nucleus), kMost);
}

INSTANTIATE_TEST_SUITE_P(Engine, Allocations, testing::Values("e_text", "dense_text", "moe_text", "gemma3_text"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace gemma::testing_engine
