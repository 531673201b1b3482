// SPDX-License-Identifier: Apache-2.0
// How often a step of an answer asks the heap for memory. Not yet never: docs/memory.md says what is left. The number
// may fall, not grow.
#include <gtest/gtest.h>

#include "counted_heap.h"
#include "engine/engine.h"
#include "tiny_models.h"

namespace gemma::testing_engine {
namespace {

constexpr int kSteps = 50;
constexpr double kMostPerLayer = 120;

class Allocations : public testing::TestWithParam<const char*> {};

TEST_P(Allocations, OfAStepAreFew) {
  const std::shared_ptr<const Model> model = tiny_model(GetParam());
  EngineOptions options;
  options.context = 200;
  options.speculation.length = 0;
  Engine engine(model, nullptr, ops_with(2), options);
  int tokens = 0;
  Request request;
  request.prompt = {2, 17, 33, 40};
  request.max_tokens = 150;
  request.sampling.temperature = 0;
  request.loop_stop = false;
  ASSERT_NE(engine.submit(std::move(request), [&](const Event& e) { tokens += e.token >= 0; }), 0);
  while (tokens < 40) ASSERT_TRUE(engine.step());  // pools and scratch have their sizes
  const int64_t before = heap_allocations();
  const int start = tokens;
  while (tokens < start + kSteps) ASSERT_TRUE(engine.step());
  const double each = static_cast<double>(heap_allocations() - before) / kSteps;
  const auto layers = static_cast<double>(model->config.layers.size());
  RecordProperty("allocations_per_step", std::to_string(each));
  RecordProperty("allocations_per_layer", std::to_string(each / layers));
  std::printf("%s: %.1f allocations a step, %.1f a layer\n", GetParam(), each, each / layers);
  EXPECT_LE(each / layers, kMostPerLayer);
}

INSTANTIATE_TEST_SUITE_P(Engine, Allocations, testing::Values("e_text", "dense_text", "moe_text", "gemma3_text"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace gemma::testing_engine
